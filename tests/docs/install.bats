#!/usr/bin/env bats
# make install: all of it below DESTDIR, in PREFIX, and it works from there; make deb. What the package does: `make deb-check`.

bats_require_minimum_version 1.5.0

@test "make install puts everything below DESTDIR and PREFIX, and vrun finds its parts there" {
	repo=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	dest=$BATS_TEST_TMPDIR/dest
	run -0 make -C "$repo" --no-print-directory MODE=release install DESTDIR="$dest" PREFIX=/opt/v
	diff - <(cd "$dest" && find . -type f | sort) <<-'F'
	./etc/containers/containers.conf.d/vrun.conf
	./opt/v/bin/vrun
	./opt/v/lib/vrun/guest/initrd.img
	./opt/v/lib/vrun/guest/vmlinux
	./opt/v/lib/vrun/vrun-probe
	./opt/v/lib/vrun/vrun-vmm
	./opt/v/share/bash-completion/completions/vrun
	./opt/v/share/doc/vrun/examples/containerd.toml
	./opt/v/share/doc/vrun/examples/docker.json
	./opt/v/share/doc/vrun/examples/runtimeclass.yaml
	./opt/v/share/doc/vrun/examples/vrun.conf
	./opt/v/share/fish/vendor_completions.d/vrun.fish
	./opt/v/share/man/man1/vrun.1
	./opt/v/share/man/man5/vrun.conf.5
	./opt/v/share/man/man8/vrun-vmm.8
	./opt/v/share/zsh/vendor-completions/_vrun
	F
	run ! grep -r '@BINDIR@' "$dest"
	jq -e '.runtimes.vrun.path == "/opt/v/bin/vrun"' "$dest/opt/v/share/doc/vrun/examples/docker.json"
	# the settings of the example are those that there are
	sed 's/^#\([a-z]\)/\1/; /= *$/d' "$dest/opt/v/share/doc/vrun/examples/vrun.conf" >"$BATS_TEST_TMPDIR/conf"
	run -0 "$dest/opt/v/bin/vrun" --config "$BATS_TEST_TMPDIR/conf" check
	[[ "$output" == *"guest kernel"*"$dest/opt/v/lib/vrun/guest/vmlinux"* ]]
	"$repo/hack/mkbundle" "$BATS_TEST_TMPDIR/bundle" -- uname -r
	run -0 timeout -k 5 120 "$dest/opt/v/bin/vrun" --root "$BATS_TEST_TMPDIR/state" run --engine qemu "$BATS_TEST_TMPDIR/bundle"
	[ "$output" = "$(cat "$repo/build/guest/vmlinux.release")" ]
}

@test "make deb makes a package that dpkg takes" {
	repo=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	run -0 make -C "$repo" --no-print-directory deb
	package=$(sed -n 's/^deb: \(.*\.deb\) .*/\1/p' <<<"$output")
	[ "$(dpkg-deb --field "$repo/$package" Package Architecture)" = $'Package: vrun\nArchitecture: amd64' ]
	# every library that the programs are linked with, and the emulator
	for name in libc6 libmnl0 libseccomp2 libyajl2 qemu-system-x86; do
		grep -q "$name" <<<"$(dpkg-deb --field "$repo/$package" Depends)"
	done
	dpkg-deb --contents "$repo/$package" | grep -q ' ./usr/lib/vrun/vrun-vmm$'
}
