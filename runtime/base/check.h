/* check: assertions that stay on in release. A failed CHECK is a bug of ours; what a user, disk
 * or peer can cause is an error (error.h). */
#ifndef MILLRACE_BASE_CHECK_H
#define MILLRACE_BASE_CHECK_H

/* Prints the place and the expression on stderr and aborts. */
_Noreturn void check_failed(const char *file, int line, const char *expression);

#define CHECK(x) ((x) ? (void)0 : check_failed(__FILE__, __LINE__, #x))

/* Walks of whole tables: in tests and simulation only. */
#ifdef MILLRACE_CHECK_HEAVY
#define CHECK_HEAVY(x) CHECK(x)
#else
#define CHECK_HEAVY(x) ((void)0)
#endif

#define NODISCARD __attribute__((warn_unused_result))

#endif
