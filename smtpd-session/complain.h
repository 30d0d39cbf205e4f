/* SPDX-License-Identifier: ISC */
/* What a client is told about an address or a parameter that is wrong. */
#ifndef COMPLAIN_H
#define COMPLAIN_H

#include "address.h"
#include "parameter.h"
#include "reply.h"

/* subject: the enhanced code, 5.1.7 for senders, 5.1.3 for recipients. */
void complain_address(struct reply *, enum address_result, const char *subject);
void complain_parameter(struct reply *, enum parameter_result);

#endif
