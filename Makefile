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
        openssl/evp.h:libssl-dev bsd/bsd.h:libbsd-dev \
        md5.h:libmd-dev db.h:libdb5.3-dev \
        security/pam_appl.h:libpam0g-dev crypt.h:libcrypt-dev
BUILD_DEPS = gcc binutils libc6-dev musl-tools libudns-dev \
             libbearssl-dev libspf2-dev libopendkim-dev libssl-dev \
             libbsd-dev libmd-dev libdb5.3-dev libpam0g-dev libcrypt-dev
RUN_DEPS   = $(BUILD_DEPS) swaks curl openssl libnet-ssleay-perl
CHECK_DEPS = $(RUN_DEPS) bats python3 python3-dnspython strace socat msmtp mandoc ucspi-tcp \
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

# --- programs: the sources of each, beside common.a --------------------------
COMMON  = $(wildcard common/*.c)
COMMON_MAINS = common/smtpd-listen.c common/smtpd-conf.c
COMMON_LIB = $(filter-out $(COMMON_MAINS),$(COMMON))

STATIC_PROGRAMS  = smtpd-session smtpd-queue smtpd-submit \
                   smtpd-send smtpd-local smtpd-bounce smtpd-listen \
                   smtpd-conf smtpd-tls smtpd-audit smtpd-trace smtpd-ctl \
                   smtpd-clean
DYNAMIC_PROGRAMS = smtpd-rcpt smtpd-lspawn sendmail smtpd-auth \
                   smtpd-auth-file smtpd-passwd
# Static as well, with glibc, which Debian's libraries are built for.
LIBRARY_PROGRAMS = smtpd-remote smtpd-judge smtpd-sign smtpd-dkim-key \
                   smtpd-dns

smtpd-session_SRC = $(wildcard smtpd-session/*.c)
# BearSSL asks of libc what musl has too: see fortify.c.
smtpd-tls_SRC     = $(wildcard smtpd-session/tls/*.c)
$(B)/smtpd-tls: LDLIBS += $(shell $(CC) -print-file-name=libbearssl.a)
AUTH_SRC          = smtpd-session/auth/answer.c smtpd-session/auth/slots.c
smtpd-auth_SRC    = smtpd-session/auth/smtpd-auth.c $(AUTH_SRC)
$(B)/smtpd-auth: LDLIBS += -lpam
PWFILE_SRC        = smtpd-session/auth/pwfile.c
smtpd-auth-file_SRC = smtpd-session/auth/smtpd-auth-file.c $(PWFILE_SRC) \
                    $(AUTH_SRC)
$(B)/smtpd-auth-file: LDLIBS += -lcrypt
smtpd-passwd_SRC  = smtpd-session/auth/smtpd-passwd.c $(PWFILE_SRC)
$(B)/smtpd-passwd: LDLIBS += -lcrypt
smtpd-queue_SRC   = $(addprefix smtpd-queue/,smtpd-queue.c message.c store.c \
                    message-log.c entrance.c advice.c changes.c draft.c commit.c)
smtpd-submit_SRC  = smtpd-queue/smtpd-submit.c smtpd-queue/submission.c \
                    smtpd-queue/compose.c smtpd-queue/author.c \
                    smtpd-queue/addrlist.c smtpd-queue/sign/fields.c
sendmail_SRC      = smtpd-queue/sendmail.c smtpd-queue/options.c \
                    smtpd-queue/letter.c smtpd-queue/text.c \
                    smtpd-queue/addrlist.c smtpd-queue/recipients.c \
                    smtpd-queue/post.c smtpd-queue/mailq.c \
                    smtpd-queue/status.c smtpd-send/progress.c
smtpd-send_SRC    = $(wildcard smtpd-send/*.c)
ALIAS_SRC         = smtpd-local/alias.c smtpd-local/alias-parse.c \
                    smtpd-local/alias-check.c smtpd-local/user.c
smtpd-rcpt_SRC    = smtpd-local/smtpd-rcpt.c smtpd-local/rcpt-loop.c \
                    smtpd-local/rcpt-answer.c smtpd-local/rcpt-table.c \
                    smtpd-local/recipient.c smtpd-local/startup.c \
                    $(ALIAS_SRC)
smtpd-lspawn_SRC  = smtpd-local/smtpd-lspawn.c smtpd-local/lspawn-loop.c \
                    smtpd-local/place.c smtpd-local/child.c \
                    smtpd-local/startup.c smtpd-local/user.c
smtpd-local_SRC   = smtpd-local/smtpd-local.c smtpd-local/parcel.c \
                    smtpd-local/delivery.c smtpd-local/deliver.c \
                    smtpd-local/maildir.c smtpd-local/journal.c
smtpd-remote_SRC  = $(wildcard smtpd-send/remote/*.c) $(wildcard common/dns/*.c)
$(B)/smtpd-remote: LDLIBS += -ludns -lbearssl
smtpd-clean_SRC   = $(addprefix smtpd-session/judge/,smtpd-clean.c clean.c)
JUDGE_SRC         = $(filter-out %/smtpd-judge.c %/smtpd-clean.c,\
                    $(wildcard smtpd-session/judge/*.c common/dns/*.c))
smtpd-judge_SRC   = smtpd-session/judge/smtpd-judge.c $(JUDGE_SRC)
JUDGE_LIBS        = -lspf2 -lopendkim -ludns -lcrypto -ldb -lbsd -lmd -lresolv
$(B)/smtpd-judge: LDLIBS += -Wl,--no-warnings $(JUDGE_LIBS)
KEY_SRC           = smtpd-queue/sign/key.c smtpd-queue/sign/keys.c
SIGNER_SRC        = smtpd-queue/sign/signer.c smtpd-queue/sign/survey.c \
                    smtpd-queue/sign/fields.c smtpd-queue/sign/origin.c \
                    smtpd-queue/addrlist.c smtpd-queue/sign/key.c
smtpd-sign_SRC    = smtpd-queue/sign/smtpd-sign.c smtpd-queue/sign/signing.c \
                    smtpd-queue/sign/keys.c $(SIGNER_SRC)
# libcrypto could resolve names, which a static program warns of; nobody asks.
SIGNER_LIBS       = -lopendkim -lcrypto -ldb -lbsd -lmd -lresolv
$(B)/smtpd-sign: LDLIBS += -Wl,--no-warnings $(SIGNER_LIBS)
smtpd-dkim-key_SRC = smtpd-queue/sign/smtpd-dkim-key.c \
                    smtpd-queue/sign/keymake.c smtpd-queue/sign/zone.c $(KEY_SRC)
$(B)/smtpd-dkim-key: LDLIBS += -Wl,--no-warnings -lcrypto
RECORDS_SRC       = smtpd-queue/sign/records.c smtpd-queue/sign/compare.c \
                    smtpd-queue/sign/spf.c smtpd-queue/sign/zone.c $(KEY_SRC)
smtpd-dns_SRC     = smtpd-queue/sign/smtpd-dns.c smtpd-queue/sign/published.c \
                    $(RECORDS_SRC) $(wildcard common/dns/*.c)
$(B)/smtpd-dns: LDLIBS += -Wl,--no-warnings -lcrypto -ludns
smtpd-bounce_SRC  = $(wildcard smtpd-send/bounce/*.c)
READER_SRC        = $(addprefix smtpd-send/audit/,line.c source.c mailid.c \
                    reader.c) smtpd-send/progress.c
smtpd-audit_SRC   = $(addprefix smtpd-send/audit/,smtpd-audit.c balance.c \
                    double.c entry.c extent.c finding.c ledger.c look.c mail.c) \
                    $(READER_SRC)
smtpd-trace_SRC   = $(addprefix smtpd-send/audit/,smtpd-trace.c story.c show.c \
                    now.c stamp.c) $(READER_SRC)
smtpd-ctl_SRC     = $(wildcard smtpd-send/ctl/*.c)
smtpd-listen_SRC  = common/smtpd-listen.c
smtpd-conf_SRC    = common/smtpd-conf.c smtpd-send/remote/policy.c

PROGRAMS = $(STATIC_PROGRAMS) $(DYNAMIC_PROGRAMS) $(LIBRARY_PROGRAMS)

all: $(addprefix $(B)/,$(PROGRAMS)) $(B)/smtpd.conf.5

define program
$(B)/$(1): $$(patsubst %.c,$(B)/$(2)/%.o,$$($(1)_SRC)) $(B)/$(2)/common.a
endef
$(foreach p,$(STATIC_PROGRAMS),$(eval $(call program,$(p),static)))
$(foreach p,$(DYNAMIC_PROGRAMS) $(LIBRARY_PROGRAMS),$(eval $(call program,$(p),dynamic)))

$(addprefix $(B)/,$(STATIC_PROGRAMS)):
	@echo "LINK $@"
	$(STATIC_CC) $(CFLAGS) $(STATIC) $(LDFLAGS) -o $@ $^ $(LDLIBS) $(STATIC_END)

$(addprefix $(B)/,$(DYNAMIC_PROGRAMS)):
	@echo "LINK $@"
	$(CC) $(CFLAGS) -pie $(LDFLAGS) -o $@ $^ $(LDLIBS)

LIBRARY_STATIC = -static-pie
$(addprefix $(B)/,$(LIBRARY_PROGRAMS)):
	@echo "LINK $@"
	$(CC) $(CFLAGS) $(LIBRARY_STATIC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/static/%.o: %.c | $(B)/kernel $(B)/needs
	@mkdir -p $(@D)
	@echo "CC $@"
	$(STATIC_CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/dynamic/%.o: %.c | $(B)/needs
	@mkdir -p $(@D)
	@echo "CC $@"
	$(CC) $(CPPFLAGS) $(FORTIFY) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/static/common.a: $(patsubst %.c,$(B)/static/%.o,$(COMMON_LIB))
$(B)/dynamic/common.a: $(patsubst %.c,$(B)/dynamic/%.o,$(COMMON_LIB))
$(B)/static/common.a $(B)/dynamic/common.a:
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

$(patsubst %.c,$(B)/static/%.o,$(smtpd-tls_SRC)): CPPFLAGS += -isystem $(B)/bearssl
$(patsubst %.c,$(B)/static/%.o,$(smtpd-tls_SRC)): | $(B)/bearssl
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
unit: $(UNIT)
# What a test needs beside common.a.
$(B)/unit/alias: UNIT_SRC = $(ALIAS_SRC)
$(B)/unit/alias: $(ALIAS_SRC)
# What judges mail, against a fake DNS.
JUDGE_UNIT = $(addprefix $(B)/unit/,spf-suite spf-front dmarc dmarc-suite \
             judge-from judge-fields judge-report)
$(JUDGE_UNIT): UNIT_SRC = $(JUDGE_SRC:%.c=$(B)/dynamic/%.o)
$(JUDGE_UNIT): $(JUDGE_SRC:%.c=$(B)/dynamic/%.o)
$(JUDGE_UNIT): LDLIBS += $(JUDGE_LIBS)
$(B)/unit/sign-compare: UNIT_SRC = $(RECORDS_SRC)
$(B)/unit/sign-compare: $(RECORDS_SRC)
$(B)/unit/sign-compare: LDLIBS += -lcrypto
REMOTE_UNIT = $(filter-out %/smtpd-remote.c,$(wildcard smtpd-send/remote/*.c))
$(B)/unit/remote-time: UNIT_SRC = $(REMOTE_UNIT) $(wildcard common/dns/*.c)
$(B)/unit/remote-time: $(REMOTE_UNIT)
$(B)/unit/remote-time: LDLIBS += -ludns -lbearssl
NOTICE_SRC = smtpd-send/bounce/notice.c smtpd-send/bounce/original.c
$(B)/unit/bounce-text: UNIT_SRC = $(NOTICE_SRC)
$(B)/unit/bounce-text: $(NOTICE_SRC)
CERTIFICATE_SRC = smtpd-session/tls/certificate.c
$(B)/unit/tls-certificate: UNIT_SRC = $(CERTIFICATE_SRC)
$(B)/unit/tls-certificate: $(CERTIFICATE_SRC)
$(B)/unit/tls-pem: UNIT_SRC = smtpd-session/tls/pem.c
$(B)/unit/tls-pem: smtpd-session/tls/pem.c
$(B)/unit/%: tests/unit/%.c $(B)/dynamic/common.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(INCLUDES) $(CFLAGS) -pie -MMD -MP -o $@ $< $(UNIT_SRC) $(B)/dynamic/common.a $(LDLIBS)

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
MAN_PAGES = $(wildcard common/*.[158] smtpd-*/*.[158] smtpd-*/*/*.[158])
SH_FILES  = $(shell git grep -lE '^\#!/(usr/bin/env |bin/)(ba)?sh' -- conf tests .ci)
BATS_FILES = $(shell git ls-files 'tests/*.bats' 'tests/*.bash')

lint: lint-format lint-tidy lint-cppcheck lint-shell lint-man
lint-format:
	clang-format --dry-run -Werror $(C_FILES)
lint-tidy:
	clang-tidy --quiet $(filter common/%.c smtpd-%.c,$(C_FILES)) -- \
		$(CPPFLAGS) $(INCLUDES) -std=c17
lint-cppcheck:
	@# It does not see that die() does not return: nullPointerRedundantCheck.
	cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 \
		--enable=warning,performance,portability \
		--suppress=missingIncludeSystem \
		--suppress=nullPointerRedundantCheck -D__x86_64__ $(CPPFLAGS) \
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
FUZZ    = $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/*.c))
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
$(B)/fuzz/alias: FUZZ_SRC = $(ALIAS_SRC)
$(B)/fuzz/alias: $(ALIAS_SRC)
JUDGE_FUZZ = $(addprefix $(B)/fuzz/,spf-front judge-report)
$(JUDGE_FUZZ): FUZZ_SRC = $(JUDGE_SRC:%.c=$(B)/fuzz/%.o)
$(JUDGE_FUZZ): $(JUDGE_SRC:%.c=$(B)/fuzz/%.o)
$(JUDGE_FUZZ): LDLIBS += $(JUDGE_LIBS)
$(B)/fuzz/sign-compare: FUZZ_SRC = $(RECORDS_SRC)
$(B)/fuzz/sign-compare: $(RECORDS_SRC)
$(B)/fuzz/sign-compare: LDLIBS += -lcrypto
$(B)/fuzz/sign: FUZZ_SRC = $(SIGNER_SRC)
$(B)/fuzz/sign: $(SIGNER_SRC)
$(B)/fuzz/sign: LDLIBS += $(SIGNER_LIBS)
REMOTE_FUZZ = $(addprefix $(B)/fuzz/remote-,answer stuff chain)
REMOTE_PARSERS = $(addprefix smtpd-send/remote/,answer.c stuff.c chain.c \
                 anchors.c der.c)
$(REMOTE_FUZZ): FUZZ_SRC = $(REMOTE_PARSERS)
$(REMOTE_FUZZ): $(REMOTE_PARSERS)
$(REMOTE_FUZZ): LDLIBS += -lbearssl
$(B)/fuzz/notice: FUZZ_SRC = $(NOTICE_SRC) smtpd-send/bounce/text.c
$(B)/fuzz/notice: $(NOTICE_SRC) smtpd-send/bounce/text.c
LINE_SRC = smtpd-send/audit/line.c smtpd-send/audit/stamp.c
$(B)/fuzz/log-line: FUZZ_SRC = $(LINE_SRC)
$(B)/fuzz/log-line: $(LINE_SRC)
$(B)/fuzz/certificate: FUZZ_SRC = $(CERTIFICATE_SRC)
$(B)/fuzz/certificate: $(CERTIFICATE_SRC)
$(B)/fuzz/%: tests/fuzz/%.c $(B)/fuzz/common.a
	@echo "FUZZ $@"
	$(FUZZ_CC) -fsanitize=fuzzer $(CPPFLAGS) $(INCLUDES) -std=c17 -MMD -MP \
		-o $@ $< $(FUZZ_SRC) $(B)/fuzz/common.a $(LDLIBS)
$(B)/fuzz/common.a: $(patsubst %.c,$(B)/fuzz/%.o,$(COMMON_LIB))
	rm -f $@
	ar rcs $@ $^
$(B)/fuzz/%.o: %.c | $(B)/needs
	@mkdir -p $(@D)
	@echo "FUZZ $@"
	$(FUZZ_CC) -fsanitize=fuzzer-no-link $(CPPFLAGS) -std=c17 -MMD -MP \
		-c -o $@ $<

bench: all
	@conf/deps install $(BENCH_DEPS)
	@SMTPD_BIN=$(B) tests/bench/run

# The long loops in full: thousands of kills, soak, big backlogs.
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

$(B)/systemd/%: systemd/%
	@mkdir -p $(@D)
	sed -e 's|@libdir@|$(libdir)|g' -e 's|@sbindir@|$(sbindir)|g' \
		-e 's|@confdir@|$(confdir)|g' $< >$@

help:
	@sed -n 's/^#: //p' Makefile
#: make           builds the programs in build/ (B= changes that)
#: make run       a whole server on 127.0.0.1, PORT=2525, in the foreground
#: make check     builds, runs every test, ends with N passed, N failed
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
	lint-shell lint-man format asan fuzz bench torture install help clean
-include $(shell find $(B) -name '*.d' 2>/dev/null)
