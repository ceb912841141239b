/* report: the page of `millrace run --report FILE.html`: a section for each operator of kind
 * sink/report, in the job's order, made from the rows that it has written; Chart.js, script, style and
 * data in one file that asks for nothing else. The same rows give the same page but for its title. */
#ifndef MILLRACE_CLI_REPORT_H
#define MILLRACE_CLI_REPORT_H

#include "runtime/graph/plan.h"

#define REPORT_ROWS_MAX 20000u /* of a section; the others are counted */

/* `summary_path`: what `--summary` wrote; its counts of rows are shown. Written beside, then renamed. */
bool report_write(const struct plan *plan, const char *summary_path, const char *path,
                  struct error *err) NODISCARD;

#endif
