/* Lists, describes and fetches with Debian's libfsplib:
 * driver PORT PASSWORD list DIR | stat PATH | get PATH FILE TIMES */
#include <errno.h>
#include <fsplib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return 1;
}

static int list(FSP_SESSION *session, const char *path)
{
    FSP_DIR *dir = fsp_opendir(session, path);
    FSP_RDENTRY entry, *next;
    if (!dir)
        return fail(path);
    while (fsp_readdir_native(dir, &entry, &next) == 0 && next)
        printf("%d %u %s\n", entry.type, entry.size, entry.name);
    fsp_closedir(dir);
    return 0;
}

static int describe(FSP_SESSION *session, const char *path)
{
    struct stat entry;
    if (fsp_stat(session, path, &entry))
        return fail(path);
    printf("%s %ld\n", S_ISDIR(entry.st_mode) ? "dir" : "file", (long)entry.st_size);
    return 0;
}

static int get(FSP_SESSION *session, const char *path, const char *to)
{
    char buffer[10000];
    size_t length;
    FSP_FILE *from = fsp_fopen(session, path, "rb");
    FILE *out = fopen(to, "wb");
    if (!from || !out)
        return fail(path);
    while ((length = fsp_fread(buffer, 1, sizeof buffer, from)) > 0)
        fwrite(buffer, 1, length, out);
    if (from->err)
        return fail(path);
    fsp_fclose(from);
    return fclose(out) ? fail(to) : 0;
}

int main(int count, char **words)
{
    int status = 2, n;
    if (count < 5)
        return status;
    FSP_SESSION *session = fsp_open_session("127.0.0.1", atoi(words[1]), words[2]);
    if (!session)
        return fail("session");
    if (!strcmp(words[3], "list"))
        status = list(session, words[4]);
    else if (!strcmp(words[3], "stat"))
        status = describe(session, words[4]);
    else if (!strcmp(words[3], "get") && count == 7)
        for (n = atoi(words[6]), status = 0; n > 0 && !status; n--)
            status = get(session, words[4], words[5]);
    fsp_close_session(session);
    return status;
}
