/* SPDX-License-Identifier: ISC */
/* smtpd-lspawn's loop: many connections and children, none waited for. */
#ifndef LSPAWN_LOOP_H
#define LSPAWN_LOOP_H

#include "conf.h"

/*
 * Serves those who connect to listener (-1: nobody), and conn (-1: none),
 * with deliveries by program, the absolute path of smtpd-local. Returns when
 * nothing is left to serve: after SIGTERM, when those that run have ended.
 */
void lspawn_loop(const struct conf *, const char *program, int listener,
    int conn);

#endif
