#!/usr/bin/env bats
# Many containers, several at a time, leave nothing: the short form of tests/soak.

load common

@test "8 containers made, used and ended in four ways, 2 at a time, beside one that lives: nothing is left" {
	run timeout -k 5 500 "$repo/tests/soak" -n 8 -j 2 3>&-
	echo "$output"
	[ "$status" = 0 ]
	[[ "$output" == *"8 containers, 2 at a time"*"nothing is left"* ]]
	for way in "ended by itself" "vrun kill" "SIGKILL to vrun-vmm" "delete --force"; do
		[[ "$output" == *" times: container: $way"* ]]
	done
}
