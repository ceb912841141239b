/* Loading plug-ins; see plugin.h. What was loaded stays for the life of the process: plans, and the
 * attempts of a job, point to its operators. */
#include "runtime/api/plugin.h"

#include "runtime/api/registry.h"
#include "runtime/base/limits.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define PLUGINS_MAX 64u
#define BUILD_HOW "build it against runtime/api/plugin.h of this version"

static const struct plugin_host *plugin_host;
static const struct plugin *loaded[PLUGINS_MAX];
static uint32_t loaded_count;

void plugins_enable(const struct plugin_host *host)
{
    plugin_host = host;
}

static bool refuse(struct error *err, const char *path, const char *how, const char *what)
{
    return error_set(err, ERROR_CONFIG, "", how, "plug-in \"%s\" %s", path, what);
}

static bool is_loaded(const struct plugin *plugin)
{
    for (uint32_t i = 0; i < loaded_count; i++)
        if (loaded[i] == plugin)
            return true;
    return false;
}

static bool check_interface(const char *path, const struct plugin *plugin, struct error *err)
{
    if (plugin->abi != PLUGIN_ABI)
        return error_set(err, ERROR_CONFIG, "", BUILD_HOW,
                         "plug-in \"%s\" has plug-in interface %u, this millrace has %u", path,
                         plugin->abi, PLUGIN_ABI);
    if (plugin->size != sizeof(struct plugin))
        return error_set(
            err, ERROR_CONFIG, "", BUILD_HOW,
            "plug-in \"%s\" has a plug-in struct of %u bytes, this millrace one of %zu", path,
            plugin->size, sizeof(struct plugin));
    if (!plugin->set_host || !plugin->operators)
        return refuse(err, path, "fill all fields of " PLUGIN_SYMBOL,
                      "has no set_host or no operators");
    return true;
}

static bool counts_fit(const struct operator_def *def)
{
    uint32_t inputs = 0, outputs = 0, states = 0, tables = 0;

    while (def->inputs && def->inputs[inputs].name)
        inputs++;
    while (def->outputs && def->outputs[outputs].name)
        outputs++;
    while (def->states && def->states[states].name)
        states++;
    while (def->tables && def->tables[tables].name)
        tables++;
    return inputs <= PORTS_MAX && outputs <= PORTS_MAX && states <= STATES_MAX &&
           tables <= TABLES_MAX;
}

static bool check_operator(const char *path, const struct operator_def *def, struct error *err)
{
    struct error told = {0};

    if (def->abi != OPERATOR_ABI || def->size != sizeof(struct operator_def))
        return error_set(err, ERROR_CONFIG, "", BUILD_HOW,
                         "plug-in \"%s\" has an operator of interface %u and %u bytes, this "
                         "millrace has %u and %zu",
                         path, def->abi, def->size, OPERATOR_ABI, sizeof(struct operator_def));
    if (!def->name || !def->name[0] || !def->help || !counts_fit(def))
        return error_set(err, ERROR_CONFIG, "", "see struct operator_def",
                         "plug-in \"%s\" has an operator without a name or help, or with too many "
                         "ports or states",
                         path);
    if (operator_find(def->name))
        return error_set(err, ERROR_CONFIG, "", "rename it",
                         "plug-in \"%s\" has an operator \"%s\", and there is one already", path,
                         def->name);
    if (def->options && !option_check(def->options, def->config_size, &told))
        return error_set(err, ERROR_CONFIG, "", NULL,
                         "plug-in \"%s\" has an operator \"%s\" whose option \"%s\" is unsound: %s",
                         path, def->name, told.where, told.what);
    return true;
}

static bool take(const char *path, const struct plugin *plugin, struct error *err)
{
    const char *why = "did not say why";

    if (!check_interface(path, plugin, err))
        return false;
    if (loaded_count == PLUGINS_MAX)
        return refuse(err, path, "use fewer", "is one too many");
    for (uint32_t i = 0; plugin->operators[i]; i++) {
        if (!check_operator(path, plugin->operators[i], err))
            return false;
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(plugin->operators[i]->name, plugin->operators[k]->name) == 0)
                return refuse(err, path, "rename one", "has two operators of one name");
    }
    if (!plugin->set_host(plugin_host, &why))
        return error_set(err, ERROR_CONFIG, "", NULL, "plug-in \"%s\" will not run here: %s", path,
                         why);
    for (uint32_t i = 0; plugin->operators[i]; i++)
        operators_add(plugin->operators[i]);
    loaded[loaded_count++] = plugin;
    return true;
}

bool plugin_load(const char *path, struct error *err)
{
    char here[PATH_SIZE_MAX + 2];
    const struct plugin *plugin;
    void *object;

    if (!plugin_host)
        return refuse(err, path, NULL, "cannot be loaded in this program");
    if (strlen(path) >= PATH_SIZE_MAX)
        return refuse(err, path, "move it", "has too long a path");
    /* A name without a folder would be looked for among the system's libraries. */
    (void)snprintf(here, sizeof(here), "%s%s", strchr(path, '/') ? "" : "./", path);
    object = dlopen(here, RTLD_NOW | RTLD_LOCAL);
    if (!object)
        return error_set(err, ERROR_CONFIG, "",
                         "give the path of a shared object, from the folder where millrace runs",
                         "plug-in \"%s\" cannot be loaded: %s", path, dlerror());
    plugin = dlsym(object, PLUGIN_SYMBOL);
    if (!plugin) {
        (void)dlclose(object);
        return refuse(err, path, "export const struct plugin " PLUGIN_SYMBOL,
                      "has no symbol " PLUGIN_SYMBOL);
    }
    if (is_loaded(plugin) || take(path, plugin, err)) /* stays open */
        return true;
    (void)dlclose(object);
    return false;
}
