# Installs what `npm run build` made, for packages and by hand: the agents in VMs, qvm-qos in dom0.
# `make` builds everything; an installation needs no network and builds only what is not there. Manual pages need rst2man.

BINDIR = /usr/bin
MANDIR = /usr/share/man
UNITDIR = /usr/lib/systemd/system
PRESETDIR = /usr/lib/systemd/system-preset
UDEVDIR = /usr/lib/udev/rules.d
# Examples to copy; dom0's policy is in /etc/qubes/policy.d.
DATADIR = /usr/share/qubes-qos
INSTALL = install
RST2MAN := $(shell command -v rst2man || command -v rst2man.py)
VERSION := $(shell sed -n 's/^  "version": "\(.*\)",$$/\1/p' package.json)

VM_PROGRAMS = qubes-qos-mangle qubes-qos-tc
VM_UNITS = qubes-qos-mangle.service qubes-qos-mangle-cleanup.service qubes-qos-mangle-wake.service \
	qubes-qos-mangle-wake@.path qubes-qos-tc.service
VM_PRESETS = 75-qubes-qos.preset
VM_RULES = 75-qubes-qos.rules
VM_PAGES = qubes-qos-mangle.8 qubes-qos-tc.8 qubes-qos-trees.8
DOM0_PROGRAMS = qvm-qos
DOM0_UNITS = qubes-qos-dom0.service
DOM0_PRESETS = 75-qubes-qos-dom0.preset
DOM0_POLICIES = 30-qubes-qos-admin.policy
DOM0_PAGES = qvm-qos.1

PROGRAMS = $(VM_PROGRAMS) $(DOM0_PROGRAMS)
PAGES = $(VM_PAGES) $(DOM0_PAGES)
PAGES_DIR = dist/man
SOURCE = dist/qubes-qos-$(VERSION).tar.gz

# The paths of pages. Without rst2man: of those that were made before, maybe in another qube.
pages_of = $(if $(RST2MAN),$(1:%=$(PAGES_DIR)/%),$(wildcard $(1:%=$(PAGES_DIR)/%)))
install_pages = $(if $(call pages_of,$(2)),$(INSTALL) -D -m 0644 -t $(DESTDIR)$(MANDIR)/$(1) $(call pages_of,$(2)))

.PHONY: all source install-vm install-dom0 uninstall-vm uninstall-dom0

all: $(call pages_of,$(PAGES))
	npm run --silent build

# One run builds all of them.
$(PROGRAMS:%=dist/%) &:
	npm run --silent build

ifneq ($(RST2MAN),)
$(PAGES_DIR)/%.8: docs/man/%.rst docs/man/docutils.sed
	$(call make_page,8)
$(PAGES_DIR)/%.1: docs/man/%.rst docs/man/docutils.sed
	$(call make_page,1)
else ifeq ($(wildcard $(PAGES:%=$(PAGES_DIR)/%)),)
$(info No rst2man (Debian, Fedora: python3-docutils): the manual pages are not installed.)
endif

define make_page
@mkdir -p $(@D)
sed -f docs/man/docutils.sed $< | sed 's/@SECTION@/$(1)/' | $(RST2MAN) --halt=warning --syntax-highlight=none > $@.new
@mv $@.new $@
endef

install-vm: $(VM_PROGRAMS:%=dist/%) $(call pages_of,$(VM_PAGES))
	$(INSTALL) -D -m 0755 -t $(DESTDIR)$(BINDIR) $(VM_PROGRAMS:%=dist/%)
	$(INSTALL) -D -m 0644 -t $(DESTDIR)$(UNITDIR) $(VM_UNITS:%=systemd/%)
	$(INSTALL) -D -m 0644 -t $(DESTDIR)$(PRESETDIR) $(VM_PRESETS:%=systemd/%)
	$(INSTALL) -D -m 0644 -t $(DESTDIR)$(UDEVDIR) $(VM_RULES:%=udev/%)
	$(call install_pages,man8,$(VM_PAGES))

install-dom0: $(DOM0_PROGRAMS:%=dist/%) $(call pages_of,$(DOM0_PAGES))
	$(INSTALL) -D -m 0755 -t $(DESTDIR)$(BINDIR) $(DOM0_PROGRAMS:%=dist/%)
	$(INSTALL) -D -m 0644 -t $(DESTDIR)$(UNITDIR) $(DOM0_UNITS:%=systemd/%)
	$(INSTALL) -D -m 0644 -t $(DESTDIR)$(PRESETDIR) $(DOM0_PRESETS:%=systemd/%)
	$(INSTALL) -D -m 0644 -t $(DESTDIR)$(DATADIR) $(DOM0_POLICIES:%=policy/%)
	$(call install_pages,man1,$(DOM0_PAGES))

uninstall-vm:
	rm -f $(VM_PROGRAMS:%=$(DESTDIR)$(BINDIR)/%) $(VM_UNITS:%=$(DESTDIR)$(UNITDIR)/%) \
		$(VM_PRESETS:%=$(DESTDIR)$(PRESETDIR)/%) $(VM_RULES:%=$(DESTDIR)$(UDEVDIR)/%) \
		$(VM_PAGES:%=$(DESTDIR)$(MANDIR)/man8/%)

uninstall-dom0:
	rm -f $(DOM0_PROGRAMS:%=$(DESTDIR)$(BINDIR)/%) $(DOM0_UNITS:%=$(DESTDIR)$(UNITDIR)/%) \
		$(DOM0_PRESETS:%=$(DESTDIR)$(PRESETDIR)/%) $(DOM0_POLICIES:%=$(DESTDIR)$(DATADIR)/%) \
		$(DOM0_PAGES:%=$(DESTDIR)$(MANDIR)/man1/%)

# What the packages are built from: with the built programs, since a package build has no network, and with what they
# were built from.
source: $(PROGRAMS:%=dist/%)
	tar --create --gzip --file $(SOURCE) --transform 's,^,qubes-qos-$(VERSION)/,' --sort=name --mtime=@0 \
		--owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw --exclude=node_modules --exclude=.types \
		LICENSE README.md Makefile package.json package-lock.json tsconfig.json docs/man packages policy rpm salt scripts systemd udev \
		$(PROGRAMS:%=dist/%)
