#include "textflag.h"

// SHA-256 (FIPS 180-4) of two messages abreast, with the SHA extensions. The
// rounds of one message wait for each other: what SHA256RNDS2 computes is there
// after four cycles, while the next one could begin after two. The second
// message's rounds fill the gap.
//
//	            first     second
//	F, E, B, A  X1        X7       of the state, the lowest word first
//	H, G, D, C  X2        X8
//	words       X3..X6    X9..X12  the last sixteen of the schedule
//	data        SI        DI
//
// X0 is the instruction's implicit operand, X13 is scratch, X15 is the order of
// bytes that makes words of them, R8 the constants, CX the blocks that are left.

// LOAD gets the four words at off of a block.
#define LOAD(off, data, words) \
	MOVOU  off(data), words \
	PSHUFB X15, words

// FOUR does four rounds with four words and the constants at off.
#define FOUR(off, words, feba, hgdc) \
	MOVOU       off(R8), X0    \
	PADDD       words, X0      \
	SHA256RNDS2 X0, feba, hgdc \
	PSHUFD      $0x0E, X0, X0  \
	SHA256RNDS2 X0, hgdc, feba

// ROUNDS does four rounds of both messages.
#define ROUNDS(off, a, b) \
	FOUR(off, a, X1, X2) \
	FOUR(off, b, X7, X8)

// BEGIN adds to the four words before those given what the words sixteen after
// them take from both. END makes the words after those given of what BEGIN left
// in their place; before are the four words before those given.
#define BEGIN(words, before) \
	SHA256MSG1 words, before

#define END(words, before, after) \
	MOVO       words, X13       \
	PALIGNR    $4, before, X13  \
	PADDD      X13, after       \
	SHA256MSG2 words, after

// MIDDLE does four rounds and the schedule of both messages.
#define MIDDLE(off, a, abefore, aafter, b, bbefore, bafter) \
	ROUNDS(off, a, b)       \
	END(a, abefore, aafter) \
	END(b, bbefore, bafter) \
	BEGIN(a, abefore)       \
	BEGIN(b, bbefore)

DATA swap<>+0(SB)/8, $0x0405060700010203
DATA swap<>+8(SB)/8, $0x0c0d0e0f08090a0b
GLOBL swap<>(SB), RODATA|NOPTR, $16

// func compressTwo(states *[2][8]uint32, a, b *byte, blocks int, constants *[64]uint32)
TEXT ·compressTwo(SB), NOSPLIT, $64-40
	MOVQ  states+0(FP), AX
	MOVQ  a+8(FP), SI
	MOVQ  b+16(FP), DI
	MOVQ  blocks+24(FP), CX
	MOVQ  constants+32(FP), R8
	MOVOU swap<>(SB), X15
	MOVOU 0(AX), X1
	MOVOU 16(AX), X2
	MOVOU 32(AX), X7
	MOVOU 48(AX), X8

block:
	MOVOU X1, 0(SP)
	MOVOU X2, 16(SP)
	MOVOU X7, 32(SP)
	MOVOU X8, 48(SP)

	LOAD(0, SI, X3)
	LOAD(0, DI, X9)
	ROUNDS(0, X3, X9)

	LOAD(16, SI, X4)
	LOAD(16, DI, X10)
	ROUNDS(16, X4, X10)
	BEGIN(X4, X3)
	BEGIN(X10, X9)

	LOAD(32, SI, X5)
	LOAD(32, DI, X11)
	ROUNDS(32, X5, X11)
	BEGIN(X5, X4)
	BEGIN(X11, X10)

	LOAD(48, SI, X6)
	LOAD(48, DI, X12)
	MIDDLE(48, X6, X5, X3, X12, X11, X9)

	MIDDLE(64, X3, X6, X4, X9, X12, X10)
	MIDDLE(80, X4, X3, X5, X10, X9, X11)
	MIDDLE(96, X5, X4, X6, X11, X10, X12)
	MIDDLE(112, X6, X5, X3, X12, X11, X9)
	MIDDLE(128, X3, X6, X4, X9, X12, X10)
	MIDDLE(144, X4, X3, X5, X10, X9, X11)
	MIDDLE(160, X5, X4, X6, X11, X10, X12)
	MIDDLE(176, X6, X5, X3, X12, X11, X9)
	MIDDLE(192, X3, X6, X4, X9, X12, X10)

	ROUNDS(208, X4, X10)
	END(X4, X3, X5)
	END(X10, X9, X11)
	ROUNDS(224, X5, X11)
	END(X5, X4, X6)
	END(X11, X10, X12)
	ROUNDS(240, X6, X12)

	MOVOU 0(SP), X0
	PADDD X0, X1
	MOVOU 16(SP), X0
	PADDD X0, X2
	MOVOU 32(SP), X0
	PADDD X0, X7
	MOVOU 48(SP), X0
	PADDD X0, X8

	ADDQ $64, SI
	ADDQ $64, DI
	DECQ CX
	JNZ  block

	MOVOU X1, 0(AX)
	MOVOU X2, 16(AX)
	MOVOU X7, 32(AX)
	MOVOU X8, 48(AX)
	RET

// func cpuid(leaf uint32) (eax, ebx, ecx uint32)
TEXT ·cpuid(SB), NOSPLIT, $0-20
	MOVL leaf+0(FP), AX
	XORL CX, CX
	CPUID
	MOVL AX, eax+8(FP)
	MOVL BX, ebx+12(FP)
	MOVL CX, ecx+16(FP)
	RET
