#!/usr/bin/env bats
# Many containers, several at a time, leave nothing: the short form of tests/soak.

load common

@test "12 containers made, started, exec'd into and deleted, 4 at a time" {
	run timeout -k 5 400 "$repo/tests/soak" -n 12 -j 4 3>&-
	echo "$output"
	[ "$status" = 0 ]
	[[ "$output" == *"12 containers, 4 at a time"* ]]
}
