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
.SUFFIXES:
.DEFAULT_GOAL = all

# --- compilers -------------------------------------------------------------
# Programs that need only libc are static, with musl when it is there: it
# starts four times as fast. Those that ask NSS must be dynamic, with glibc.
CC      = gcc
MUSL_CC := $(shell command -v musl-gcc)
STATIC_CC = $(if $(MUSL_CC),$(MUSL_CC) -isystem $(B)/kernel,$(CC))
# Debian's musl-gcc does not know -static-pie: its start files by hand.
MUSL_DIR := /usr/lib/$(shell gcc -print-multiarch | sed s/gnu/musl/)
STATIC   = $(if $(MUSL_CC),-static -nostartfiles \
           -Wl,-pie,--no-dynamic-linker,-z,text $(MUSL_DIR)/rcrt1.o \
           $(MUSL_DIR)/crti.o,-static-pie)
STATIC_END = $(if $(MUSL_CC),$(MUSL_DIR)/crtn.o)

OPT     = -O2 -g
HARDEN  = -fstack-protector-strong -fstack-clash-protection -fPIE \
          -fno-strict-aliasing -ftrivial-auto-var-init=zero
WARN    = -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes \
          -Wmissing-prototypes -Wold-style-definition -Wvla -Wformat=2 \
          -Wundef -Wpointer-arith -Wwrite-strings -Wswitch-enum
CPPFLAGS = -D_GNU_SOURCE -DSYSCONFDIR='"$(sysconfdir)"' -Icommon
CFLAGS  = -std=c17 $(OPT) $(HARDEN) $(WARN)
FORTIFY = -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
LDFLAGS = -Wl,-z,relro,-z,now,-z,noexecstack
LDLIBS  =

# --- programs: the sources of each, beside common.a --------------------------
COMMON  = $(wildcard common/*.c)
COMMON_MAINS = common/smtpd-listen.c common/smtpd-conf.c
COMMON_LIB = $(filter-out $(COMMON_MAINS),$(COMMON))

STATIC_PROGRAMS  = smtpd-session smtpd-queue smtpd-submit smtpd-send \
                   smtpd-local smtpd-listen smtpd-conf
DYNAMIC_PROGRAMS = smtpd-rcpt smtpd-lspawn sendmail

smtpd-session_SRC = $(wildcard smtpd-session/*.c)
smtpd-queue_SRC   = smtpd-queue/smtpd-queue.c smtpd-queue/commit.c
smtpd-submit_SRC  = smtpd-queue/smtpd-submit.c
sendmail_SRC      = smtpd-queue/sendmail.c
smtpd-send_SRC    = $(wildcard smtpd-send/*.c)
smtpd-rcpt_SRC    = smtpd-local/smtpd-rcpt.c smtpd-local/alias.c \
                    smtpd-local/user.c
smtpd-lspawn_SRC  = smtpd-local/smtpd-lspawn.c smtpd-local/user.c
smtpd-local_SRC   = smtpd-local/smtpd-local.c smtpd-local/maildir.c
smtpd-listen_SRC  = common/smtpd-listen.c
smtpd-conf_SRC    = common/smtpd-conf.c

PROGRAMS = $(STATIC_PROGRAMS) $(DYNAMIC_PROGRAMS)

all: $(addprefix $(B)/,$(PROGRAMS))

define program
$(B)/$(1): $$(patsubst %.c,$(B)/$(2)/%.o,$$($(1)_SRC)) $(B)/$(2)/common.a
endef
$(foreach p,$(STATIC_PROGRAMS),$(eval $(call program,$(p),static)))
$(foreach p,$(DYNAMIC_PROGRAMS),$(eval $(call program,$(p),dynamic)))

$(addprefix $(B)/,$(STATIC_PROGRAMS)):
	$(STATIC_CC) $(CFLAGS) $(STATIC) $(LDFLAGS) -o $@ $^ $(LDLIBS) $(STATIC_END)

$(addprefix $(B)/,$(DYNAMIC_PROGRAMS)):
	$(CC) $(CFLAGS) -pie $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/static/%.o: %.c | $(B)/kernel
	@mkdir -p $(@D)
	$(STATIC_CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/dynamic/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(FORTIFY) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/static/common.a: $(patsubst %.c,$(B)/static/%.o,$(COMMON_LIB))
$(B)/dynamic/common.a: $(patsubst %.c,$(B)/dynamic/%.o,$(COMMON_LIB))
$(B)/static/common.a $(B)/dynamic/common.a:
	rm -f $@
	ar rcs $@ $^

# The kernel's own headers (Landlock, seccomp), which musl does not bring.
$(B)/kernel:
	@mkdir -p $@
	@ln -sfn /usr/include/linux $@/linux
	@ln -sfn /usr/include/asm-generic $@/asm-generic
	@ln -sfn /usr/include/$$($(CC) -print-multiarch)/asm $@/asm

# --- unit tests ----------------------------------------------------------------
UNIT = $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/*.c))
unit: $(UNIT)
$(B)/unit/%: tests/unit/%.c $(B)/dynamic/common.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Ismtpd-session -Ismtpd-queue -Ismtpd-send -Ismtpd-local -Itests/unit $(CFLAGS) -pie -MMD -MP -o $@ $< $(UNIT_SRC) $(B)/dynamic/common.a $(LDLIBS)

clean:
	rm -rf $(B)

.PHONY: all unit clean
-include $(shell find $(B) -name '*.d' 2>/dev/null)
