#!/usr/bin/env bats
# A terminal: process.terminal with vrun in a real one (tmux).

load common

tmux_() { tmux -S "$work/tmux" -f /dev/null "$@"; }

screen_shows() { # TEXT: wait for it on the screen
	local i
	for i in $(seq 300); do
		tmux_ capture-pane -p -t 0 | grep -qF -- "$1" && return 0
		sleep 0.2
	done
	echo "the screen never showed '$1':"
	tmux_ capture-pane -p -t 0
	return 1
}

teardown() {
	tmux_ kill-server 2>/dev/null || true
	leftovers
}

@test "a shell on a terminal: its size follows, Ctrl-C interrupts, exit ends" {
	mkbundle --terminal -- sh
	tmux_ new-session -d -x 100 -y 30 "$VRUN_TEST_BIN/vrun --root $state run --engine $VRUN_TEST_ENGINE $bundle term; echo status \$?; sleep 60"
	screen_shows '/ #'
	tmux_ send-keys -t 0 'stty size; tty' Enter
	screen_shows '30 100'
	screen_shows '/dev/'
	tmux_ resize-window -t 0 -x 81 -y 25
	sleep 1
	tmux_ send-keys -t 0 'stty size' Enter
	screen_shows '25 81'
	tmux_ send-keys -t 0 'sleep 1000' Enter
	sleep 1
	tmux_ send-keys -t 0 C-c
	tmux_ send-keys -t 0 'echo in''terrupted' Enter
	screen_shows 'interrupted'
	tmux_ send-keys -t 0 'exit 5' Enter
	screen_shows 'status 5'
}

@test "a terminal is asked for but there is none: one clear message" {
	mkbundle --terminal -- sh
	run setsid -w "$VRUN_TEST_BIN/vrun" --root "$state" run "$bundle" term </dev/null
	[ "$status" = 1 ]
	[[ "$output" == *terminal* ]]
	[ "${#lines[@]}" = 1 ]
}
