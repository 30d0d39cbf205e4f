# SPDX-License-Identifier: ISC
# smtpd: builds, tests and installs the chain. `make help` lists the targets.

B       = build
prefix  = /usr/local
sysconfdir = /etc
sbindir = $(prefix)/sbin
libdir  = $(prefix)/lib/smtpd
mandir  = $(prefix)/share/man
PORT    = 2525

.DELETE_ON_ERROR:
ifndef V			# V=1 shows the commands
.SILENT:
endif
.SUFFIXES:
.DEFAULT_GOAL = all

# --- packages, by their Debian names -----------------------------------------
# THING:PACKAGE, a command or a header: what stops the build when not there.
NEEDS = gcc:gcc ar:binutils stdio.h:libc6-dev linux/landlock.h:linux-libc-dev \
        udns.h:libudns-dev bearssl.h:libbearssl-dev \
        spf2/spf_lib_version.h:libspf2-dev opendkim/dkim.h:libopendkim-dev \
        opendmarc/dmarc.h:libopendmarc-dev \
        openssl/evp.h:libssl-dev bsd/bsd.h:libbsd-dev \
        md5.h:libmd-dev db.h:libdb5.3-dev \
        security/pam_appl.h:libpam0g-dev crypt.h:libcrypt-dev
BUILD_DEPS = gcc binutils libc6-dev musl-tools libudns-dev \
             libbearssl-dev libspf2-dev libopendkim-dev \
             libopendmarc-dev libssl-dev \
             libbsd-dev libmd-dev libdb5.3-dev libpam0g-dev libcrypt-dev
RUN_DEPS   = $(BUILD_DEPS) swaks curl openssl libnet-ssleay-perl
CHECK_DEPS = $(RUN_DEPS) bats python3 python3-dnspython strace socat msmtp mandoc iproute2 ucspi-tcp \
             daemontools s6 debootstrap systemd systemd-container \
             xfsprogs btrfs-progs gnutls-bin testssl.sh python3-dkim opendkim-tools python3-authres \
             ldnsutils nsd unbound libpam-wrapper
LINT_DEPS  = $(BUILD_DEPS) clang clang-format clang-tidy cppcheck shellcheck \
             mandoc
FUZZ_DEPS  = $(BUILD_DEPS) clang
# Postfix, opendkim and opendmarc: tests/bench/unpack fetches them, and installs
# none.
BENCH_DEPS = $(CHECK_DEPS)

# --- compilers -------------------------------------------------------------
# Programs that need only libc are static, with musl when it is there: it
# starts four times as fast. Those that ask NSS must be dynamic, with glibc.
CC      = gcc
MUSL_CC := $(shell command -v musl-gcc 2>/dev/null)
ifneq ($(MUSL_CC),)
# Debian's musl-gcc does not know -static-pie: its start files by hand.
MUSL_DIR  := /usr/lib/$(shell gcc -print-multiarch | sed s/gnu/musl/)
STATIC_CC  = $(MUSL_CC) -isystem $(B)/kernel
STATIC     = -static -nostartfiles -Wl,-pie,--no-dynamic-linker,-z,text \
             $(MUSL_DIR)/rcrt1.o $(MUSL_DIR)/crti.o
STATIC_END = $(MUSL_DIR)/crtn.o
else
STATIC_CC  = $(CC)
STATIC     = -static-pie
endif

OPT     = -O2 -g
HARDEN  = -fstack-protector-strong -fstack-clash-protection -fPIE \
          -fno-strict-aliasing -ftrivial-auto-var-init=zero
WARN    = -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes \
          -Wmissing-prototypes -Wold-style-definition -Wvla -Wformat=2 \
          -Wundef -Wpointer-arith -Wwrite-strings -Wswitch-enum
CPPFLAGS = -D_GNU_SOURCE -DSYSCONFDIR='"$(sysconfdir)"' \
           -DLIBDIR='"$(libdir)"' -Icommon $(DEFINES)
CFLAGS  = -std=c17 $(OPT) $(HARDEN) $(WARN)
FORTIFY = -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
LDFLAGS = -Wl,-z,relro,-z,now,-z,noexecstack
LDLIBS  =

# --- programs: the main file of each, the folders and libraries it may use -----
# Each folder is one archive of what is no program's main file. A program gets
# of it what it reaches and no more (--gc-sections).
CFLAGS  += -ffunction-sections -fdata-sections
LDFLAGS += -Wl,--gc-sections

# $(call program,KIND,NAME,MAIN,FOLDERS)
define program
PROGRAMS += $(2)
$(1)_PROGRAMS += $(2)
MAINS += $(3)
$(B)/$(2): $(B)/$($(1)_KIND)/$(3:.c=.o) $(4:%=$(B)/$($(1)_KIND)/%.a)
endef
program_is = $(eval $(call program,$(strip $(1)),$(strip $(2)),$(strip $(3)),$(strip $(4))))
# STATIC: with musl. LIBRARY: static as well, with glibc, which Debian's
# libraries are built for. DYNAMIC: what NSS and PAM load is not known here.
STATIC_KIND  = static
LIBRARY_KIND = dynamic
DYNAMIC_KIND = dynamic

$(call program_is,STATIC,  smtpd-listen,    common/smtpd-listen.c, common)
$(call program_is,STATIC,  smtpd-conf,      common/smtpd-conf.c, common)

$(call program_is,STATIC,  smtpd-session,   smtpd-session/smtpd-session.c, smtpd-session common)
# BearSSL asks of libc what musl has too: see fortify.c.
$(call program_is,STATIC,  smtpd-tls,       smtpd-session/tls/smtpd-tls.c, smtpd-session/tls common)
$(B)/smtpd-tls: LDLIBS += $(shell $(CC) -print-file-name=libbearssl.a)
$(call program_is,DYNAMIC, smtpd-auth,      smtpd-session/auth/smtpd-auth.c, smtpd-session/auth common)
$(B)/smtpd-auth: LDLIBS += -lpam
$(call program_is,DYNAMIC, smtpd-auth-file, smtpd-session/auth/smtpd-auth-file.c, smtpd-session/auth common)
$(B)/smtpd-auth-file: LDLIBS += -lcrypt
$(call program_is,DYNAMIC, smtpd-passwd,    smtpd-session/auth/smtpd-passwd.c, smtpd-session/auth common)
$(B)/smtpd-passwd: LDLIBS += -lcrypt
# libcrypto could resolve names, which a static program warns of; nobody asks.
$(call program_is,LIBRARY, smtpd-judge,     smtpd-session/judge/smtpd-judge.c, smtpd-session/judge common/dns common)
JUDGE_LIBS = -lspf2 -lopendkim -lopendmarc -ludns -lcrypto -ldb -lbsd -lmd -lresolv
$(B)/smtpd-judge: LDLIBS += -Wl,--no-warnings $(JUDGE_LIBS)
$(call program_is,STATIC,  smtpd-clean,     smtpd-session/judge/smtpd-clean.c, common)

$(call program_is,STATIC,  smtpd-queue,     smtpd-queue/smtpd-queue.c, smtpd-queue common)
$(call program_is,STATIC,  smtpd-submit,    smtpd-queue/smtpd-submit.c, smtpd-queue common)
$(call program_is,DYNAMIC, sendmail,        smtpd-queue/sendmail.c, smtpd-queue common)
SIGNER_LIBS = -lopendkim -lcrypto -ldb -lbsd -lmd -lresolv
$(call program_is,LIBRARY, smtpd-sign,      smtpd-queue/sign/smtpd-sign.c, smtpd-queue/sign smtpd-queue common)
$(B)/smtpd-sign: LDLIBS += -Wl,--no-warnings $(SIGNER_LIBS)
$(call program_is,LIBRARY, smtpd-dkim-key,  smtpd-queue/sign/smtpd-dkim-key.c, smtpd-queue/sign common/records common)
$(B)/smtpd-dkim-key: LDLIBS += -Wl,--no-warnings -lcrypto
$(call program_is,LIBRARY, smtpd-dns,       common/records/smtpd-dns.c, common/records smtpd-queue/sign common/dns common)
$(B)/smtpd-dns: LDLIBS += -Wl,--no-warnings -lcrypto -ludns

$(call program_is,STATIC,  smtpd-send,      smtpd-send/smtpd-send.c, smtpd-send common)
$(call program_is,LIBRARY, smtpd-remote,    smtpd-send/remote/smtpd-remote.c, smtpd-send/remote common/dns common)
$(B)/smtpd-remote: LDLIBS += -ludns -lbearssl
$(call program_is,STATIC,  smtpd-bounce,    smtpd-send/bounce/smtpd-bounce.c, smtpd-send/bounce common)
$(call program_is,STATIC,  smtpd-audit,     smtpd-send/audit/smtpd-audit.c, smtpd-send/audit common)
$(call program_is,STATIC,  smtpd-trace,     smtpd-send/audit/smtpd-trace.c, smtpd-send/audit common)
$(call program_is,STATIC,  smtpd-ctl,       smtpd-send/ctl/smtpd-ctl.c, smtpd-send/ctl common)

$(call program_is,DYNAMIC, smtpd-rcpt,      smtpd-local/smtpd-rcpt.c, smtpd-local common)
$(call program_is,DYNAMIC, smtpd-lspawn,    smtpd-local/smtpd-lspawn.c, smtpd-local common)
$(call program_is,STATIC,  smtpd-local,     smtpd-local/smtpd-local.c, smtpd-local common)

all: $(addprefix $(B)/,$(PROGRAMS)) $(B)/smtpd.conf.5

ARCHIVES = -Wl,--start-group $(filter %.a,$^) $(LDLIBS) -Wl,--end-group
$(addprefix $(B)/,$(STATIC_PROGRAMS)):
	@echo "LINK $@"
	$(STATIC_CC) $(CFLAGS) $(STATIC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(ARCHIVES) $(STATIC_END)

$(addprefix $(B)/,$(DYNAMIC_PROGRAMS)):
	@echo "LINK $@"
	$(CC) $(CFLAGS) -pie $(LDFLAGS) -o $@ $(filter %.o,$^) $(ARCHIVES)

LIBRARY_STATIC = -static-pie
$(addprefix $(B)/,$(LIBRARY_PROGRAMS)):
	@echo "LINK $@"
	$(CC) $(CFLAGS) $(LIBRARY_STATIC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(ARCHIVES)

$(B)/static/%.o: %.c | $(B)/kernel $(B)/needs
	@mkdir -p $(@D)
	@echo "CC $@"
	$(STATIC_CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/dynamic/%.o: %.c | $(B)/needs
	@mkdir -p $(@D)
	@echo "CC $@"
	$(CC) $(CPPFLAGS) $(FORTIFY) $(CFLAGS) -MMD -MP -c -o $@ $<

# An archive for each folder and each of the three ways to compile.
FOLDERS = common common/dns common/records smtpd-session smtpd-session/auth \
          smtpd-session/judge smtpd-session/tls smtpd-queue smtpd-queue/sign \
          smtpd-send smtpd-send/remote smtpd-send/bounce smtpd-send/audit \
          smtpd-send/ctl smtpd-local
$(foreach f,$(FOLDERS),$(foreach k,static dynamic fuzz,$(eval \
	$(B)/$(k)/$(f).a: $(patsubst %.c,$(B)/$(k)/%.o,\
	$(filter-out $(MAINS),$(wildcard $(f)/*.c))))))
$(foreach k,static dynamic fuzz,$(FOLDERS:%=$(B)/$(k)/%.a)):
	rm -f $@
	ar rcs $@ $^

$(B)/needs:
	@CC="$(CC)" conf/deps needs $(NEEDS)
	@mkdir -p $(@D)
	@touch $@

# The kernel's own headers (Landlock, seccomp), which musl does not bring.
$(B)/kernel:
	@mkdir -p $@
	@ln -sfn /usr/include/linux $@/linux
	@ln -sfn /usr/include/asm-generic $@/asm-generic
	@ln -sfn /usr/include/$$($(CC) -print-multiarch)/asm $@/asm

TLS_OBJECTS = $(patsubst %.c,$(B)/static/%.o,$(wildcard smtpd-session/tls/*.c))
$(TLS_OBJECTS): CPPFLAGS += -isystem $(B)/bearssl
$(TLS_OBJECTS): | $(B)/bearssl
$(B)/bearssl:
	@mkdir -p $@
	@ln -sfn /usr/include/bearssl.h /usr/include/bearssl $@

# The manual's list of settings comes from the table that is in the code.
$(B)/smtpd.conf.5: common/smtpd.conf.5.in $(B)/smtpd-conf
	$(B)/smtpd-conf mdoc >$@.settings
	sed -e '/@settings@/r $@.settings' -e '/@settings@/d' \
		-e 's|/etc/smtpd|$(sysconfdir)/smtpd|g' $< >$@
	rm -f $@.settings

# Not -I: a sched.h of ours is no <sched.h>.
INCLUDES = $(addprefix -iquote ,smtpd-session smtpd-queue smtpd-send \
           smtpd-local smtpd-session/auth tests/unit) \
           -Ismtpd-session/judge

# --- unit tests ----------------------------------------------------------------
UNIT = $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/*.c))
FUZZ = $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/*.c))
unit: $(UNIT)

# $(call tests,NAMES,FOLDERS,LIBRARIES): what a test in C needs beside common.
define tests
$(foreach t,$(filter $(1:%=$(B)/unit/%),$(UNIT)),$(eval \
	$(t): $(2:%=$(B)/dynamic/%.a))$(eval $(t): LDLIBS += $(3)))
$(foreach t,$(filter $(1:%=$(B)/fuzz/%),$(FUZZ)),$(eval \
	$(t): $(2:%=$(B)/fuzz/%.a))$(eval $(t): LDLIBS += $(3)))
endef
$(call tests,command sasl session-parse session-received,smtpd-session)
# What judges mail, against a fake DNS.
$(call tests,spf-suite spf-front dmarc dmarc-suite dmarc-record judge-from \
	judge-fields judge-report,smtpd-session/judge common/dns,$(JUDGE_LIBS))
$(call tests,pwfile,smtpd-session/auth,-lcrypt)
$(call tests,addrlist author sendmail-letter submission advice,smtpd-queue)
$(call tests,records-compare,common/records smtpd-queue/sign,-lcrypto)
$(call tests,sign,smtpd-queue/sign smtpd-queue,$(SIGNER_LIBS))
$(call tests,send-heap send-life send-pace send-schedule send-talk,smtpd-send)
$(call tests,remote-time remote-answer remote-chain remote-stuff,\
	smtpd-send/remote common/dns,-ludns -lbearssl)
$(call tests,bounce-text notice,smtpd-send/bounce)
$(call tests,log-line,smtpd-send/audit)
$(call tests,alias,smtpd-local)
$(B)/unit/%: tests/unit/%.c $(B)/dynamic/common.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(INCLUDES) $(CFLAGS) -pie $(LDFLAGS) -MMD -MP -o $@ $< $(ARCHIVES)

# --- the two commands ----------------------------------------------------------
# Sub-makes: what deps installs changes what the variables above say.
run:
	@conf/deps install $(RUN_DEPS)
	@exec conf/make-run $(B) $(PORT)

check:
	@conf/deps install $(CHECK_DEPS)
	@$(MAKE) --no-print-directory all unit
	@SMTPD_BIN=$(B) tests/run

deps:
	@conf/deps install $(sort $(CHECK_DEPS) $(LINT_DEPS) $(FUZZ_DEPS) \
		$(BENCH_DEPS))

# --- more checks ---------------------------------------------------------------
C_FILES   = $(shell git ls-files '*.[ch]')
MAN_PAGES = $(wildcard common/*.[1578] common/*/*.[158] smtpd-*/*.[158] smtpd-*/*/*.[158])
SH_FILES  = $(shell git grep -lE '^\#!/(usr/bin/env |bin/)(ba)?sh' -- conf tests .ci)
BATS_FILES = $(shell git ls-files 'tests/*.bats' 'tests/*.bash')

lint: lint-format lint-tidy lint-cppcheck lint-shell lint-man
lint-format:
	clang-format --dry-run -Werror $(C_FILES)
lint-tidy:
	clang-tidy --quiet $(filter common/%.c smtpd-%.c,$(C_FILES)) -- \
		$(CPPFLAGS) $(INCLUDES) -std=c17
lint-cppcheck:
	@# It does not see that die() does not return: the last two.
	cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 \
		--enable=warning,performance,portability \
		--suppress=missingIncludeSystem \
		--suppress=nullPointerRedundantCheck \
		--suppress=ctunullpointer -D__x86_64__ $(CPPFLAGS) \
		$(subst -iquote ,-I,$(INCLUDES)) \
		$(filter common/%.c smtpd-%.c,$(C_FILES))
lint-shell:
	shellcheck -x $(SH_FILES)
	shellcheck -x -S warning -e SC2034,SC2120,SC2154 -s bats $(BATS_FILES)
lint-man: $(B)/smtpd.conf.5
	mandoc -Tlint -W warning $(MAN_PAGES) $(B)/smtpd.conf.5

format:
	clang-format -i $(C_FILES)

# All programs and tests under the address and undefined-behaviour sanitizers.
# They need system calls that a confined program has given away.
ASAN = -fsanitize=address,undefined -fno-sanitize-recover=all
asan:
	@conf/deps install $(CHECK_DEPS)
	@$(MAKE) --no-print-directory B=$(B)/asan MUSL_CC= STATIC= \
		LIBRARY_STATIC=-pie FORTIFY= \
		OPT='-O1 -g -fno-omit-frame-pointer $(ASAN)' \
		DEFINES='-DCONFINE_DEFAULT=\"off\"' all unit
	@SMTPD_ASAN=1 SMTPD_BIN=$(B)/asan tests/run

# Each target of tests/fuzz for FUZZ_SECONDS, its corpus kept from run to run.
FUZZ_SECONDS = 10
FUZZ_CC = clang -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
fuzz: $(FUZZ)
	@for target in $(FUZZ); do \
		echo "== $$target"; \
		corpus=$(B)/fuzz/corpus/$${target##*/}; \
		seeds=tests/fuzz/seeds/$${target##*/}; \
		mkdir -p $$corpus; \
		[ -d $$seeds ] || seeds=; \
		$$target -max_total_time=$(FUZZ_SECONDS) -timeout=10 \
			-rss_limit_mb=1024 -verbosity=0 -print_final_stats=1 \
			-artifact_prefix=$$target- $$corpus $$seeds || exit 1; \
	done
$(B)/fuzz/%: tests/fuzz/%.c $(B)/fuzz/common.a
	@echo "FUZZ $@"
	$(FUZZ_CC) -fsanitize=fuzzer $(CPPFLAGS) $(INCLUDES) -std=c17 -MMD -MP \
		-o $@ $< $(ARCHIVES)
$(B)/fuzz/%.o: %.c | $(B)/needs
	@mkdir -p $(@D)
	@echo "FUZZ $@"
	$(FUZZ_CC) -fsanitize=fuzzer-no-link $(CPPFLAGS) -std=c17 -MMD -MP \
		-c -o $@ $<

bench: all
	@conf/deps install $(BENCH_DEPS)
	@SMTPD_BIN=$(B) tests/bench/run

# The long loops in full: thousands of kills, soak, big backlogs.
# From nothing: see tests/bare.
check-bare:
	@conf/deps install debootstrap systemd-container git
	@tests/bare

torture: all unit
	@conf/deps install $(CHECK_DEPS)
	@SMTPD_BIN=$(B) tests/torture/run
	@SMTPD_BIN=$(B) SMTPD_TORTURE=1 tests/run \
		$$(grep -l SMTPD_TORTURE tests/*.bats)

# --- installation: mode:source:destination -------------------------------------
unitdir     = $(prefix)/lib/systemd/system
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d
confdir     = $(sysconfdir)/smtpd
datadir     = $(prefix)/share/smtpd

SBIN_PROGRAMS = sendmail smtpd-conf smtpd-listen smtpd-dkim-key smtpd-dns \
                smtpd-passwd smtpd-audit smtpd-trace smtpd-ctl
LIB_PROGRAMS  = $(filter-out $(SBIN_PROGRAMS),$(PROGRAMS))
UNITS         = $(notdir $(wildcard systemd/*.socket systemd/*.service \
                systemd/*.target))

INSTALL = \
$(foreach p,$(LIB_PROGRAMS),0755:$(B)/$(p):$(libdir)/$(p)) \
$(foreach p,$(SBIN_PROGRAMS),0755:$(B)/$(p):$(sbindir)/$(p)) \
$(foreach m,$(MAN_PAGES),0644:$(m):$(mandir)/man$(subst .,,$(suffix $(m)))/$(notdir $(m))) \
$(foreach u,$(UNITS),0644:$(B)/systemd/$(u):$(unitdir)/$(u)) \
0644:$(B)/smtpd.conf.5:$(mandir)/man5/smtpd.conf.5 \
$(foreach f,$(wildcard conf/run/*/run),0755:$(f):$(datadir)/run/$(f:conf/run/%=%)) \
0755:conf/run/setup:$(datadir)/run/setup \
0755:conf/run/log:$(datadir)/run/log \
0644:conf/inetd.conf:$(datadir)/inetd.conf \
0644:systemd/smtpd.sysusers:$(sysusersdir)/smtpd.conf \
0644:$(B)/systemd/smtpd.tmpfiles:$(tmpfilesdir)/smtpd.conf

# Yours once they are there: never written over.
INSTALL_ONCE = \
0644:conf/smtpd.conf:$(confdir)/smtpd.conf \
0644:conf/aliases:$(confdir)/aliases \
0644:conf/pam:$(sysconfdir)/pam.d/smtpd

install: all $(addprefix $(B)/systemd/,$(UNITS) smtpd.tmpfiles)
	@set -e; umask 022; for line in $(INSTALL) $(INSTALL_ONCE); do \
		mode=$${line%%:*}; to=$(DESTDIR)$${line##*:}; \
		from=$${line#*:}; from=$${from%:*}; \
		case " $(INSTALL_ONCE) " in \
		*" $$line "*) [ ! -e "$$to" ] || continue ;; \
		esac; \
		install -D -m "$$mode" "$$from" "$$to"; \
	done

# @resident@ is the part that all resident services share.
$(B)/systemd/%: systemd/% systemd/resident
	@mkdir -p $(@D)
	sed -e '/^@resident@$$/{r systemd/resident' -e 'd}' \
		-e 's|@libdir@|$(libdir)|g' -e 's|@sbindir@|$(sbindir)|g' \
		-e 's|@confdir@|$(confdir)|g' $< >$@

help:
	@sed -n 's/^#: //p' Makefile
#: make           builds the programs in build/ (B= changes that)
#: make run       a whole server on 127.0.0.1, PORT=2525, in the foreground
#: make check     builds, runs every test, ends with N passed, N failed
#: make check-bare the same, from nothing, in a container that has git and make
#: make install   honours DESTDIR, prefix, sysconfdir
#: make lint      format, clang-tidy, cppcheck, shellcheck, mandoc
#: make format    clang-format over all C files
#: make asan      the tests under address and undefined-behaviour sanitizers
#: make fuzz      each parser for FUZZ_SECONDS=10
#: make bench     side by side with Postfix
#: make torture   the long loops in full
#: make deps      installs all packages that any of these needs
#: make clean

clean:
	rm -rf $(B)

.PHONY: all unit run check deps lint lint-format lint-tidy lint-cppcheck \
	lint-shell lint-man format asan fuzz bench torture check-bare install help clean
-include $(shell find $(B) -name '*.d' 2>/dev/null)
