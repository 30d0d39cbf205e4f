/* SPDX-License-Identifier: ISC */
/* The replies to addresses and parameters that are wrong. */
#include "complain.h"

void
complain_address(struct reply *r, enum address_result why, const char *subject)
{
	switch (why) {
	case ADDRESS_OK:
	case ADDRESS_SYNTAX:
		reply(r, "501 %s Not an address: RFC 5321 4.1.2", subject);
		break;
	case ADDRESS_LOCAL_TOO_LONG:
		reply(r, "501 %s Local-part of more than %d octets", subject,
		    ADDRESS_LOCAL_MAX);
		break;
	case ADDRESS_DOMAIN_TOO_LONG:
		reply(r, "501 %s Domain of more than %d octets", subject,
		    ADDRESS_DOMAIN_MAX);
		break;
	case ADDRESS_PATH_TOO_LONG:
		reply(r, "501 %s Path of more than %d octets", subject,
		    ADDRESS_PATH_MAX);
		break;
	case ADDRESS_UTF8:
		reply(r,
		    "553 5.6.7 Addresses are ASCII here: SMTPUTF8 is not "
		    "offered");
		break;
	}
}

void
complain_parameter(struct reply *r, enum parameter_result why)
{
	switch (why) {
	case PARAMETER_OK:
		break;
	case PARAMETER_UNKNOWN:
		reply(r, "555 5.5.4 Unknown parameter");
		break;
	case PARAMETER_SYNTAX:
		reply(r, "501 5.5.4 Malformed parameter");
		break;
	case PARAMETER_TWICE:
		reply(r, "501 5.5.4 Parameter given twice");
		break;
	case PARAMETER_BAD_SIZE:
		reply(r, "501 5.5.4 SIZE is a number of up to 20 digits");
		break;
	case PARAMETER_BAD_BODY:
		reply(r, "501 5.5.4 BODY is 7BIT or 8BITMIME");
		break;
	case PARAMETER_BAD_AUTH:
		reply(r, "501 5.5.4 AUTH is <> or an xtext");
		break;
	}
}
