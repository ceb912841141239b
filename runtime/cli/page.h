/* page: the texts that a report's page is made of, embedded while building (page/embed.py). */
#ifndef MILLRACE_CLI_PAGE_H
#define MILLRACE_CLI_PAGE_H

#include <stddef.h>

extern const unsigned char page_chart[]; /* Chart.js */
extern const unsigned char page_script[], page_style[];
extern const size_t page_chart_size, page_script_size, page_style_size;

#endif
