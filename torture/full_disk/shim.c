/* Lets the disk fail for the files of one database, in a program that knows nothing of it.
 *
 * Loaded with LD_PRELOAD. TORTURE_FILES is a part of the paths of these files. While the file
 * named by TORTURE_FAULT exists, it says which calls fail, and with which number of errno:
 *
 *     "ws 28"    w: writing  h: writing, after a part of it  s: syncing  t: changing the size
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { SECTOR = 512 };

/* Which of the wanted faults a call on this file is to have, or 0; sets errno. */
static char fault(int file, const char *wanted)
{
    static const char *control, *files;
    char text[64] = "", kinds[32] = "", link[64], path[PATH_MAX];
    int number, kept = errno, opened;
    ssize_t length;

    if (!control) {
        files = getenv("TORTURE_FILES");
        control = getenv("TORTURE_FAULT");
    }
    if (!control || !files || (opened = open(control, O_RDONLY | O_CLOEXEC)) < 0) {
        errno = kept;
        return 0;
    }
    length = read(opened, text, sizeof text - 1);
    close(opened);
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    if (length > 0 && sscanf(text, "%31s %d", kinds, &number) == 2
        && (length = readlink(link, path, sizeof path - 1)) > 0) {
        path[length] = 0;
        if (strstr(path, files))
            for (; *wanted; wanted++)
                if (strchr(kinds, *wanted)) {
                    errno = number;
                    return *wanted;
                }
    }
    errno = kept;
    return 0;
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* A disk that fills up takes a part of a write, and then nothing. */
#define WRITING(name, arguments, passed_on)                              \
    ssize_t name arguments                                               \
    {                                                                    \
        REAL(name);                                                      \
        char kind = fault(file, "wh");                                   \
        if (kind == 'w' || (kind == 'h' && size <= SECTOR))              \
            return -1;                                                   \
        if (kind == 'h')                                                 \
            size /= 2;                                                   \
        return real passed_on;                                           \
    }

#define FAILING(name, arguments, passed_on, kinds) \
    int name arguments                             \
    {                                              \
        REAL(name);                                \
        return fault(file, kinds) ? -1 : real passed_on; \
    }

WRITING(write, (int file, const void *data, size_t size), (file, data, size))
WRITING(pwrite, (int file, const void *data, size_t size, off_t at), (file, data, size, at))
WRITING(pwrite64, (int file, const void *data, size_t size, off64_t at), (file, data, size, at))
FAILING(fsync, (int file), (file), "s")
FAILING(fdatasync, (int file), (file), "s")
FAILING(ftruncate, (int file, off_t size), (file, size), "t")
FAILING(ftruncate64, (int file, off64_t size), (file, size), "t")
