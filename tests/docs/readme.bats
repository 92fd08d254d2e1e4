#!/usr/bin/env bats
# README.md: what it says is so. Every indented block is command lines, run here in their order as they are
# written, unless the comment before it says what else holds them:
#
#   <!-- readme: text -->         no commands
#   <!-- readme: minutes -->      `make TARGET` alone, of targets that there are (they take minutes, or run this test)
#   <!-- readme: tests/FILE -->   FILE runs the commands with these options: each is in it

bats_require_minimum_version 1.5.0

setup_file() {
	repo=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	: "${VRUN_TEST_BIN:=$repo/build/release}"
	export repo VRUN_TEST_BIN
	cd "$repo"
	# BLOCK <tab> MARK <tab> LINE; a line that ends with a backslash goes on
	awk -v OFS='\t' '
		/^<!-- readme: .* -->$/ { mark = $3; next }
		/^    / {
			if (!inside) { block++; inside = 1; kind = mark == "" ? "run" : mark; mark = "" }
			line = line substr($0, 5)
			if (line ~ /\\$/) { sub(/ *\\$/, " ", line); next }
			print block, kind, line
			line = ""
			next
		}
		/^$/ { next }
		{ inside = 0; mark = "" }
	' README.md >"$BATS_FILE_TMPDIR/lines"
}

lines_of() { # MARK REGEX
	awk -F'\t' -v mark="$1" '$2 ~ "^" mark "$" { print $3 }' "$BATS_FILE_TMPDIR/lines"
}

@test "the blocks were found" {
	[ "$(lines_of run | wc -l)" -ge 10 ]
	[ "$(lines_of minutes | wc -l)" -ge 4 ]
	[ "$(lines_of 'tests/.*' | wc -l)" -ge 4 ]
	[ -z "$(cut -f2 "$BATS_FILE_TMPDIR/lines" | grep -vxE 'run|text|minutes|tests/.*')" ]
}

@test "every command line that has no mark runs as written" {
	lines_of run >"$BATS_TEST_TMPDIR/script"
	cat "$BATS_TEST_TMPDIR/script"
	# a state directory of this test's own in the usual place
	run -0 timeout -k 5 240 unshare --mount --propagation private bash -euc '
		mkdir -p /run/vrun; mount -t tmpfs tmpfs /run/vrun
		PATH=$1:$PATH; cd "$2"; set -x; . "$3"' _ "$VRUN_TEST_BIN" "$repo" "$BATS_TEST_TMPDIR/script"
	echo "$output"
	# what they print: a kernel that is not the host's, a process list of the container's
	[[ "$output" == *$'\nLinux vrun '* ]]
	[[ "$output" != *"Linux vrun $(uname -r) "* ]]
	[[ "$output" == *"sleep 1000"* ]]
	[[ "$output" == *"web "*"running"* ]]
}

@test "what takes minutes is a target of make" {
	local line target
	while read -r line; do
		[[ "$line" =~ ^make\ ([a-z-]+)(\ +#.*)?$ ]] || { echo "$line"; false; }
		target=${BASH_REMATCH[1]}
		make -C "$repo" -n "$target" >/dev/null
	done < <(lines_of minutes)
}

@test "what other tests run is in them, option by option" {
	local file word words
	while IFS=$'\t' read -r _ file words; do
		[ -f "$repo/$file" ] || { echo "no $file"; false; }
		for word in ${words%%#*}; do
			case $word in --) ;; -*) grep -qF -- "$word" "$repo/$file" || { echo "$word is not in $file"; false; } ;; esac
		done
	done < <(awk -F'\t' '$2 ~ "^tests/"' "$BATS_FILE_TMPDIR/lines")
}

@test "the files and messages that it names are there" {
	local name part
	for name in $(grep -oE '`[a-z_]+/[a-zA-Z0-9_./*-]+`' "$repo/README.md" | tr -d '`' | sort -u); do
		case $name in build/*) continue ;; esac
		compgen -G "$repo/$name" >/dev/null || { echo "no $name"; false; }
	done
	[ "$(sed -n '/^## Troubleshooting/,/^## /p' "$repo/README.md" | grep -c '^| `')" -ge 10 ]
	while read -r part; do
		grep -rqF -- "$part" "$repo"/{cmd,runtime,vmm,oci} || { echo "no message \"$part\""; false; }
	done < <(sed -n '/^## Troubleshooting/,/^## /s/^| `\([^`]*\)`.*/\1/p' "$repo/README.md")
	for name in $(sed -n '/^| `\/etc\/vrun\/vrun.conf`/p' "$repo/README.md" | grep -oE '`[a-z_.]+`' | tr -d '`'); do
		grep -q "= \"$name\"," "$repo/runtime/config.c" || { echo "no setting $name"; false; }
	done
}
