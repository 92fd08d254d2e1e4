#!/usr/bin/env bats
# --help, completions and manual pages: what they say agrees, and what is mistyped is answered. No VM.

bats_require_minimum_version 1.5.0

setup() {
	repo=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	: "${VRUN_TEST_BIN:=$repo/build/release}"
	doc=$VRUN_TEST_BIN/doc
	PATH=$VRUN_TEST_BIN:$PATH
	cd "$BATS_TEST_TMPDIR"
}

commands() {
	vrun --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

# The long options that a --help on standard input lists, with their values: "--bundle DIR".
listed() {
	sed -n '/^Options:/,/^$/p' | sed -nE 's/^  (-., |    )(--[a-z-]+( [^ ]+)?)(  .*)?$/\2/p'
}

@test "every command has a summary, options and an example that names it" {
	local c
	[ "$(commands | wc -l)" -gt 15 ]
	for c in $(commands); do
		run -0 vrun "$c" --help
		[[ "${lines[0]}" == "vrun $c: "* ]]
		[[ "$output" == *$'\nOptions:\n'* ]]
		grep -A9 '^Examples:' <<<"$output" | grep -qE "^  .*vrun $c( |\)|$)" || { echo "$c: no example"; false; }
		[ "$output" = "$(vrun help "$c")" ]
	done
}

@test "the examples of --help are command lines that vrun understands" {
	local c line words
	for c in $(commands); do
		while IFS= read -r line; do
			# the container and bundle are not there: anything but a complaint about the words will do
			read -ra words <<<"${line#"${line%%vrun *}"vrun }"
			case $c in check | features | spec | completion | compare | top) continue ;; esac
			run timeout 10 vrun --root "$BATS_TEST_TMPDIR/none" "${words[@]}" </dev/null
			[[ "$output" != *"unknown option"* && "$output" != *"usage:"* && "$output" != *"needs a value"* ]] ||
				{ echo "$line: $output"; false; }
		done < <(vrun "$c" --help | sed -n '/^Examples:/,$s/^  //p')
	done
}

@test "a mistyped command or option is answered with the near one" {
	run -1 vrun rnu x
	[ "$output" = 'vrun: unknown command "rnu"; did you mean "run"?' ]
	run -1 vrun run --engin kvm
	[ "$output" = 'vrun: run: unknown option --engin; did you mean --engine?' ]
	run -1 vrun --rot /x list
	[ "$output" = 'vrun: unknown option --rot; did you mean --root?' ]
	run -1 vrun frobnicate
	[ "$output" = 'vrun: unknown command "frobnicate"; `vrun --help` lists them' ]
	run -1 vrun-vmm serve fss --share a=/
	[[ "$output" == *'"fss"'*'fs or vsock'* ]]
	run -1 vrun-vmm serve fs --shar a=/
	[[ "$output" == *'did you mean --share?'* ]]
}

@test "colours are for terminals, and not when NO_COLOR is set" {
	# script(1) gives its command a terminal
	[[ "$(vrun --help)" != *$'\033'* ]]
	[[ "$(vrun check)" != *$'\033'* ]]
	[[ "$(TERM=xterm script -qec 'vrun --help' /dev/null)" == *$'\033[1m'* ]]
	[[ "$(TERM=xterm script -qec 'vrun check' /dev/null)" == *$'\033[3'* ]]
	[[ "$(NO_COLOR=1 TERM=xterm script -qec 'vrun --help; vrun check' /dev/null)" != *$'\033'* ]]
	[[ "$(TERM=dumb script -qec 'vrun --help; vrun check' /dev/null)" != *$'\033'* ]]
}

@test "the manual pages have no errors or warnings" {
	local page
	for page in vrun.1 vrun-vmm.8 vrun.conf.5; do
		run -0 mandoc -Tlint -Wwarning "$doc/$page"
		[ -z "$output" ]
	done
}

@test "vrun(1) describes each command and each option of --help, and no other" {
	local c page in_page
	page=$(mandoc -Tascii "$doc/vrun.1" | col -b)
	for c in $(commands); do
		grep -qx "   $c" <<<"$page" || { echo "no section $c"; false; }
		# the lines that begin an option: five columns in, a dash first
		in_page=$(sed -n "/^   $c\$/,/^   [a-z]/p" <<<"$page" | sed -nE 's/^     (-., )?(--[a-z-]+( [^ ]+)?)(  .*)?$/\2/p')
		diff <(vrun "$c" --help | listed | grep -vx -- --help) <(printf '%s' "${in_page:+$in_page
}") || { echo "options of $c differ"; false; }
	done
	diff <(vrun --help | listed) <(sed -n '/^OPTIONS/,/^COMMANDS/p' <<<"$page" |
		sed -nE 's/^     (-., )?(--[a-z-]+( [^ ]+)?)(  .*)?$/\2/p')
}

@test "vrun-vmm(8) describes each option of vrun-vmm serve, and no other" {
	run -0 vrun-vmm --help
	[[ "$output" == *"serve"* ]]
	diff <({ vrun-vmm serve fs --help; vrun-vmm serve vsock --help; } | sed -nE 's/^  (-., |    )(--[a-z-]+( [^ ]+)?)(  .*)?$/\2/p' | sort -u) \
		<(mandoc -Tascii "$doc/vrun-vmm.8" | col -b | sed -nE 's/^     (-., )?(--[a-z-]+( [^ ]+)?)(  .*)?$/\2/p' | sort -u)
}

@test "vrun.conf(5) describes each setting, and no other" {
	local key keys
	keys=$(mandoc -Tascii "$doc/vrun.conf.5" | col -b | sed -nE 's/^     ([a-z_.]+) = .*/\1/p')
	[ "$(wc -l <<<"$keys")" -gt 8 ]
	# a key that is known has a value refused or taken, one that is not is unknown
	for key in $keys; do
		echo "$key = " >conf
		run vrun --config "$PWD/conf" check
		[[ "$output" != *"unknown"* ]] || { echo "$key: $output"; false; }
	done
	diff <(sort <<<"$keys") <(sed -n '/key_names\[/,/^};/s/.*= "\(.*\)",/\1/p' "$repo/runtime/config.c" | sort)
}

@test "bash completes commands, options, values and ids" {
	complete_bash() {
		bash -c 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _vrun; echo "${COMPREPLY[*]}"' _ "$doc/vrun.bash" "$@"
	}
	[ "$(complete_bash vrun ru)" = run ]
	[ "$(complete_bash vrun run --eng)" = --engine ]
	[ "$(complete_bash vrun run --engine '')" = "auto kvm qemu" ]
	[ "$(complete_bash vrun run --engine = k)" = kvm ]
	[ "$(complete_bash vrun --root /none check --format '')" = "table json" ]
	[ "$(complete_bash vrun --root = /none kill --all x S)" = STOP ]
	[ "$(complete_bash vrun completion '')" = "bash zsh fish" ]
	mkdir -p some/dir
	[ "$(complete_bash vrun run so)" = some ]
	# the ids are those of the root that is on the line: a state of ours, made up
	cat >vrun <<-'S'
	#!/bin/sh
	[ "$*" = "--root /r list --quiet" ] && echo web-1
	S
	chmod +x vrun
	[ "$(PATH=$PWD:$PATH complete_bash vrun --root /r delete we)" = web-1 ]
}

@test "every option is in each shell's completion, and the shells can read them" {
	local c o shell
	bash -n "$doc/vrun.bash"
	zsh -n "$doc/vrun.zsh"
	fish -n "$doc/vrun.fish"
	for c in $(commands); do
		for o in $(vrun "$c" --help | listed | cut -d' ' -f1); do
			bash -c 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=2; COMPREPLY=(); _vrun; printf "%s\n" "${COMPREPLY[@]}"' \
				_ "$doc/vrun.bash" vrun "$c" "$o" | grep -qx -- "$o" || { echo "bash: $c $o"; false; }
		done
	done
	run -0 fish -c 'source $argv[1]; complete -C "vrun che"; complete -C "vrun run --engine "; complete -C "vrun list --qu"' "$doc/vrun.fish"
	[[ "$output" == *check*kvm*--quiet* ]]
	for shell in zsh fish; do
		for o in $(vrun run --help | listed | sed 's/ .*//; s/^--//'); do
			grep -qE -- "(--|-l )$o\b" "$doc/vrun.$shell" || { echo "$shell: $o"; false; }
		done
	done
}
