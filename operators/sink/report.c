/* sink/report: rows for a plot and a table of the page that `millrace run --report FILE.html` writes.
 * In: any port; each sink/report is a section of the page. Out: none.
 *
 * Rows go to files of JSON lines below `path`/ID, exactly once (lines.h), whether or not a page is
 * asked for: the page is made at the end from these files and from the options here. */
#include "operators/model/widen.h"
#include "operators/sink/lines.h"
#include "runtime/batch/expr.h"

#include <stdio.h>
#include <string.h>

struct report_config {
    const char *path, *title, *note, *x, *y, *x_title, *y_title, *low, *high, *series, *where;
    struct text_list columns, levels;
    int32_t plot;
    double prior;
    int64_t first_level, level_count;
};

static const char *const plot_choices[] = {"table", "bars", "lines", "diagonal", "lifts", NULL};
enum { TABLE, BARS, LINES, DIAGONAL, LIFTS };

static const struct option report_options[] = {
    {.name = "title",
     .type = OPT_TEXT,
     FIELD(struct report_config, title),
     .required = true,
     .help = "Heading of the section."},
    {.name = "note",
     .type = OPT_TEXT,
     FIELD(struct report_config, note),
     .help = "A sentence below it."},
    {.name = "plot",
     .type = OPT_ENUM,
     FIELD(struct report_config, plot),
     .choices = plot_choices,
     .help =
         "table: no plot; bars: `y` for each `x`, such as uplifts of arms; lines: `y` over `x`, "
         "such as a figure by period; diagonal: `y` against `x` with the diagonal, such as "
         "observed against predicted; lifts: the log-odds by level of rows of feature/lift, a "
         "line a class."},
    {.name = "x",
     .type = OPT_FIELD,
     FIELD(struct report_config, x),
     .help = "The column of names (bars), or of numbers or times."},
    {.name = "y",
     .type = OPT_FIELD,
     FIELD(struct report_config, y),
     .help = "The column of the figure."},
    {.name = "x-title",
     .type = OPT_TEXT,
     FIELD(struct report_config, x_title),
     .help = "What the axis of `x`, or of levels, shows, and its unit; by default the column's "
             "name."},
    {.name = "y-title",
     .type = OPT_TEXT,
     FIELD(struct report_config, y_title),
     .help = "The same of the axis of `y`, or of log-odds."},
    {.name = "low",
     .type = OPT_FIELD,
     FIELD(struct report_config, low),
     .help = "The lower end of its interval."},
    {.name = "high",
     .type = OPT_FIELD,
     FIELD(struct report_config, high),
     .help = "The upper end of its interval."},
    {.name = "series",
     .type = OPT_FIELD,
     FIELD(struct report_config, series),
     .help = "Each value of this column gets a colour of its own."},
    {.name = "where",
     .type = OPT_EXPRESSION,
     FIELD(struct report_config, where),
     .help = "Which rows, such as `by = 'all'`; all by default."},
    {.name = "columns",
     .type = OPT_FIELDS,
     FIELD(struct report_config, columns),
     .help = "Columns of the table; without it, all but lists."},
    {.name = "prior",
     .type = OPT_F64,
     FIELD(struct report_config, prior),
     .def.f64 = 20,
     .min.f64 = 0.001,
     .max.f64 = 1e9,
     .help = "lifts: expected clicks of no effect that are added to each cell, as adjust operators "
             "add theirs."},
    {.name = "levels",
     .type = OPT_TEXTS,
     FIELD(struct report_config, levels),
     .help = "lifts: names of the levels that are shown, in place of their numbers from 0."},
    {.name = "first-level",
     .type = OPT_I64,
     FIELD(struct report_config, first_level),
     .max.i64 = 1023,
     .help = "lifts: the first level that is shown, such as 48 of time: the hours of all days."},
    {.name = "level-count",
     .type = OPT_I64,
     FIELD(struct report_config, level_count),
     .max.i64 = 1024,
     .help = "lifts: how many levels are shown; 0: all."},
    {.name = "path",
     .type = OPT_TEXT,
     FIELD(struct report_config, path),
     .def.text = "report",
     .life = LIFE_TOLD,
     .help = "Directory of the rows: a folder by the operator's id in it. A run that is not "
             "restored removes those of earlier runs."},
    {0},
};
static const struct port report_in[] = {{.name = "in", .help = "Rows to show."}, {0}};

/* ---- planning ---- */

static bool check_plot(struct describe *describe, struct error *err)
{
    const struct report_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, 0);
    uint32_t levels = schema_find(in, "levels"), class = schema_find(in, "class");

    if (config->plot == LIFTS)
        return (levels != FIELD_NONE && class != FIELD_NONE &&
                in->fields[levels].type == TYPE_LIST) ||
               describe_error(describe, err, "from", "read feature/lift",
                              "the rows have no class and levels");
    if (config->plot != TABLE && (!config->x || !config->y))
        return describe_error(describe, err, config->x ? "y" : "x", "name one",
                              "a plot of %s needs a column here", plot_choices[config->plot]);
    return true;
}

static bool report_describe(struct describe *describe, struct error *err)
{
    const struct report_config *config = describe_config(describe);

    return check_plot(describe, err) && widen_check_when(describe, "where", config->where, err);
}

/* ---- an instance ---- */

static bool report_open(struct op *op, struct error *err)
{
    const struct report_config *config = op_config(op);
    size_t size = strlen(config->path) + strlen(op_id(op)) + 2;
    char *dir = op_memory(op, size);
    struct lines_options options = {
        .encode = {.format = ENCODE_JSON},
        .parts = {.dir = dir,
                  .suffix = ".jsonl",
                  .compression = COMPRESSION_NONE,
                  .roll_size = UINT64_MAX,
                  .overwrite = true},
        .where = config->where,
    };

    (void)snprintf(dir, size, "%s/%s", config->path, op_id(op));
    return lines_open(op, &options, err);
}

const struct operator_def sink_report = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "sink/report",
    .help = "Rows for a plot and a table of the page of `millrace run --report`.",
    .config_size = sizeof(struct report_config),
    .options = report_options,
    .inputs = report_in,
    .deterministic = true,
    .selective = true,
    .describe = report_describe,
    .open = report_open,
    .process = lines_process,
    .on_watermark = lines_on_watermark,
    .close = lines_close,
    .prepare = lines_prepare,
    .commit = lines_commit,
    .restore = lines_restore,
};
OPERATOR_REGISTER(sink_report);
