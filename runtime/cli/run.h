/* run: the verbs that start processes. Exit status 2: the command line or the job file is wrong
 * and nothing has started. */
#ifndef MILLRACE_CLI_RUN_H
#define MILLRACE_CLI_RUN_H

int run_verb(int argc, char **argv);    /* argv[0] is the verb */
int worker_verb(int argc, char **argv); /* spawned by run; not for people */

#endif
