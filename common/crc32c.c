/* SPDX-License-Identifier: ISC */
/* CRC-32C, eight octets a step, with tables that the compiler makes. */
#include "queuefile.h"

/*
 * table[k][i] is the remainder of octet i with k octets of zero behind it.
 * The remainder of a sum is the sum of remainders, so eight single bits a
 * table say it all.
 */
#define EACH1(i, a, b, c, d, e, f, g, h) \
	((i)&1 ? a : 0) ^ ((i)&2 ? b : 0) ^ ((i)&4 ? c : 0) ^ \
	    ((i)&8 ? d : 0) ^ ((i)&16 ? e : 0) ^ ((i)&32 ? f : 0) ^ \
	    ((i)&64 ? g : 0) ^ ((i)&128 ? h : 0)
#define EACH4(i, ...) \
	EACH1((i), __VA_ARGS__), EACH1((i) + 1, __VA_ARGS__), \
	    EACH1((i) + 2, __VA_ARGS__), EACH1((i) + 3, __VA_ARGS__)
#define EACH16(i, ...) \
	EACH4((i), __VA_ARGS__), EACH4((i) + 4, __VA_ARGS__), \
	    EACH4((i) + 8, __VA_ARGS__), EACH4((i) + 12, __VA_ARGS__)
#define EACH64(i, ...) \
	EACH16((i), __VA_ARGS__), EACH16((i) + 16, __VA_ARGS__), \
	    EACH16((i) + 32, __VA_ARGS__), EACH16((i) + 48, __VA_ARGS__)
#define EACH256(i, ...) \
	EACH64((i), __VA_ARGS__), EACH64((i) + 64, __VA_ARGS__), \
	    EACH64((i) + 128, __VA_ARGS__), EACH64((i) + 192, __VA_ARGS__)

static const uint32_t table[8][256] = {
	{ EACH256(0, 0xf26b8303, 0xe13b70f7, 0xc79a971f, 0x8ad958cf, 0x105ec76f,
	    0x20bd8ede, 0x417b1dbc, 0x82f63b78) },
	{ EACH256(0, 0x13a29877, 0x274530ee, 0x4e8a61dc, 0x9d14c3b8, 0x3fc5f181,
	    0x7f8be302, 0xff17c604, 0xfbc3faf9) },
	{ EACH256(0, 0xa541927e, 0x4f6f520d, 0x9edea41a, 0x38513ec5, 0x70a27d8a,
	    0xe144fb14, 0xc76580d9, 0x8b277743) },
	{ EACH256(0, 0xdd45aab8, 0xbf672381, 0x7b2231f3, 0xf64463e6, 0xe964b13d,
	    0xd725148b, 0xaba65fe7, 0x52a0c93f) },
	{ EACH256(0, 0x38116fac, 0x7022df58, 0xe045beb0, 0xc5670b91, 0x8f2261d3,
	    0x1ba8b557, 0x37516aae, 0x6ea2d55c) },
	{ EACH256(0, 0xef306b19, 0xdb8ca0c3, 0xb2f53777, 0x6006181f, 0xc00c303e,
	    0x85f4168d, 0x0e045beb, 0x1c08b7d6) },
	{ EACH256(0, 0x68032cc8, 0xd0065990, 0xa5e0c5d1, 0x4e2dfd53, 0x9c5bfaa6,
	    0x3d5b83bd, 0x7ab7077a, 0xf56e0ef4) },
	{ EACH256(0, 0x493c7d27, 0x9278fa4e, 0x211d826d, 0x423b04da, 0x847609b4,
	    0x0d006599, 0x1a00cb32, 0x34019664) },
};

static uint32_t
load32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

/*
 * The processor's own instruction is not asked for: on a virtual machine the
 * question (cpuid) costs a process more than the sum over a small message.
 */
uint32_t
crc32c(uint32_t crc, const void *data, size_t n)
{
	const unsigned char *p = data;

	crc = ~crc;
	for (; n >= 8; n -= 8, p += 8) {
		uint32_t low = crc ^ load32(p), high = load32(p + 4);

		crc = table[7][low & 255] ^ table[6][low >> 8 & 255] ^
		    table[5][low >> 16 & 255] ^ table[4][low >> 24] ^
		    table[3][high & 255] ^ table[2][high >> 8 & 255] ^
		    table[1][high >> 16 & 255] ^ table[0][high >> 24];
	}
	for (; n > 0; n--, p++)
		crc = crc >> 8 ^ table[0][(crc ^ *p) & 255];
	return ~crc;
}
