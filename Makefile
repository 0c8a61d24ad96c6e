# Each target does its own set-up from a fresh checkout. `make demo` is the main job, `make test` passes the tests.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PEERS  := .cache/peers/.ready
EDITOR := .cache/editor/.ready

BUSYBOX := busybox:busybox-static
UBOOT  := qemu-system-aarch64:qemu-system-arm /usr/lib/u-boot/qemu_arm64/u-boot.bin:u-boot-qemu
QEMU   := qemu-system-x86_64:qemu-system-x86 qemu-img:qemu-utils
VIRTUAL := qemu-system-riscv64:qemu-system-misc swtpm:swtpm /usr/share/OVMF/OVMF_CODE_4M.fd:ovmf \
          /usr/share/AAVMF/AAVMF_CODE.fd:qemu-efi-aarch64
# cloud-init looks for work at each boot of the machine that it is installed on: only throw-away machines get it.
SEEDS  := $(if $(CI),cloud-init:cloud-init)
VNC    := Xtigervnc:tigervnc-standalone-server tigervncpasswd:tigervnc-tools xterm:xterm xev:x11-utils \
          xrandr:x11-xserver-utils /usr/share/novnc/vnc.html:novnc
NETBOOT := dnsmasq:dnsmasq-base ip:iproute2 setpriv:util-linux qemu-system-x86_64:qemu-system-x86
REGISTRY := docker-registry:docker-registry htpasswd:apache2-utils
GUEST  := mke2fs:e2fsprogs cpio:cpio zstd:zstd xz:xz-utils
TOOLS  := bmaptool:bmap-tools socat:socat ser2net:ser2net flock:util-linux git:git chromium:chromium npm:npm node:nodejs losetup:mount \
          dbus-daemon:dbus-daemon busctl:systemd openssl:openssl ip:iproute2 curl:curl wget:wget tftp:tftp-hpa \
          atftp:atftp bzip2:bzip2 /usr/sbin/sshd:openssh-server ssh:openssh-client /usr/lib/ipxe/qemu/efi-virtio.rom:ipxe-qemu /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf:fonts-dejavu-core

.PHONY: demo netflash test test-fast check fix bench generate clean

demo: $(READY)
	@tools/need.sh $(QEMU) $(GUEST)
	@$(BIN)/python tools/build_guest.py
	$(BIN)/flow run pipelines/boot-test.yaml

netflash: $(READY)
	@tools/need.sh $(UBOOT) $(NETBOOT) $(GUEST)
	@$(BIN)/python -m tools.build_netboot
	tools/netboot/network.sh $(BIN)/flow run pipelines/network-flash.yaml

test: $(READY) $(EDITOR) $(PEERS) check
	@tools/need.sh $(QEMU) $(VIRTUAL) $(SEEDS) $(VNC) $(GUEST) $(TOOLS) $(BUSYBOX) $(UBOOT) $(NETBOOT) $(REGISTRY)
	@$(BIN)/python tools/build_guest.py
	@$(BIN)/python -m tools.build_netboot
	$(BIN)/pytest -q -m "not machine and not browser and not editor and not peer" -n 2
	$(BIN)/pytest -q -m "machine or browser or editor or peer" -n 2 --dist loadfile

test-fast: $(READY)
	$(BIN)/pytest -q -m "not machine and not browser and not editor and not peer" -n 2

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python -m tools.generate --check

fix: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generate: $(READY)
	$(BIN)/python -m tools.generate

bench: $(READY) $(PEERS)
	@tools/need.sh $(QEMU) $(GUEST) $(TOOLS) /usr/sbin/in.tftpd:tftpd-hpa nginx:nginx-light
	$(BIN)/python -m benchmarks

$(READY): pyproject.toml
	@$(PYTHON) -c "import ensurepip" 2>/dev/null || tools/need.sh -:python3-venv
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --upgrade pip
	$(BIN)/pip install -q -e '.[all]' --group dev
	@touch $@

$(PEERS): benchmarks/peers.txt
	$(PYTHON) -m venv .cache/peers
	.cache/peers/bin/pip install -q --upgrade pip
	.cache/peers/bin/pip install -q -r benchmarks/peers.txt
	@touch $@

$(EDITOR): tests/editor/package.json
	@tools/need.sh npm:npm node:nodejs
	mkdir -p .cache/editor && cp tests/editor/package.json .cache/editor/
	npm install --silent --no-audit --no-fund --prefix .cache/editor
	@touch $@

clean:
	rm -rf $(VENV) .cache runs build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
