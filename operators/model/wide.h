/* wide: WIDE before a function of loops makes a second copy of it for AVX2; which of the two is called
 * is settled once, when the program starts. The bits are the same: each operation is IEEE's, none is
 * fused (-ffp-contract=off) and the order of sums is written out. Not under ThreadSanitizer, whose
 * hooks do not stand yet at that time. */
#ifndef MILLRACE_MODEL_WIDE_H
#define MILLRACE_MODEL_WIDE_H

#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

#endif
