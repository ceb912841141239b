/* replay: main() for a fuzz target where libFuzzer is not there. Runs every file of the folders
 * given, and some cuts of each, through the target; a crash is the failure. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_SIZE_MAX (16u << 20)
#define CUTS 64u

/* A block of exactly `size` bytes, so that ASan sees a read past the end. */
static void run_exact(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static int run_file(const char *path)
{
    static uint8_t data[INPUT_SIZE_MAX];
    FILE *file = fopen(path, "rb");
    size_t size;

    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 1;
    }
    size = fread(data, 1, sizeof(data), file);
    fclose(file);
    run_exact(data, size);
    for (size_t cut = 0; cut < CUTS && size > 0; cut++)
        run_exact(data, size * cut / CUTS);
    return 0;
}

static int run_folder(const char *folder, unsigned *files)
{
    struct dirent *entry;
    DIR *dir = opendir(folder);
    int failed = 0;

    if (!dir) {
        fprintf(stderr, "%s: %s\n", folder, strerror(errno));
        return 1;
    }
    while ((entry = readdir(dir)) != NULL) {
        char path[4096];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        failed |= run_file(path);
        (*files)++;
    }
    closedir(dir);
    return failed;
}

int main(int argc, char **argv)
{
    unsigned files = 0;
    int failed = 0;

    run_exact((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++)
        failed |= run_folder(argv[i], &files);
    printf("%u files replayed\n", files);
    return failed || files == 0;
}
