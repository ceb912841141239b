/* info: `millrace info` lists the operator kinds, `info KIND` is the manual page of one, `info JOB`
 * shows what a job would run. Reads files, starts nothing. */
#ifndef MILLRACE_CLI_INFO_H
#define MILLRACE_CLI_INFO_H

/* argv[0] is the verb. Exit status: 0, or 2 with what is wrong on stderr. */
int info_run(int argc, char **argv);

#endif
