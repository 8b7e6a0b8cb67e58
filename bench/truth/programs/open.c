/* Every function of libc that opens a file, once each: built for glibc and for musl. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <fts.h>
int __open_2(const char *, int);
int __open64_2(const char *, int);
int __openat_2(int, const char *, int);
int __openat64_2(int, const char *, int);
#endif

static void opened(const char *name, int fd) {
    printf("%s %s\n", name, fd < 0 ? "failed" : "ok");
    if (fd >= 0) close(fd);
}

static void stream(const char *name, FILE *file) {
    printf("%s %s\n", name, file == NULL ? "failed" : "ok");
    if (file != NULL) fclose(file);
}

static int visit(const char *path, const struct stat *info, int type, struct FTW *where) {
    (void)path, (void)info, (void)type, (void)where;
    return 0;
}

int main(void) {
    char name[32];
    mkdir("dir", 0700);
    mkdir("dir/inner", 0700);
    int directory = open("dir", O_RDONLY | O_DIRECTORY);
    opened("open", open("a", O_WRONLY | O_CREAT | O_TRUNC, 0600));
    opened("open for reading", open("a", O_RDONLY));
    opened("open of nothing", open("no-such-file", O_RDWR));
    opened("openat", openat(directory, "b", O_RDWR | O_CREAT, 0600));
    opened("openat for reading", openat(directory, "b", O_RDONLY));
    opened("creat", creat("c", 0600));
    opened("unnamed", open(".", O_TMPFILE | O_RDWR, 0600));
#ifdef __GLIBC__
    opened("open64", open64("d", O_WRONLY | O_CREAT, 0600));
    opened("openat64", openat64(directory, "e", O_WRONLY | O_CREAT, 0600));
    opened("creat64", creat64("f", 0600));
    opened("__open_2", __open_2("a", O_RDONLY));
    opened("__open64_2", __open64_2("a", O_RDWR));
    opened("__openat_2", __openat_2(directory, "b", O_RDONLY));
    opened("__openat64_2", __openat64_2(directory, "b", O_RDWR));
    stream("fopen64", fopen64("g", "w"));
    stream("freopen64", freopen64("h", "a+", fopen("a", "r")));
    stream("tmpfile64", tmpfile64());
    strcpy(name, "m1-XXXXXX");
    opened("mkstemp64", mkstemp64(name));
    strcpy(name, "m2-XXXXXX");
    opened("mkostemp64", mkostemp64(name, O_CLOEXEC));
    strcpy(name, "m3-XXXXXX.s");
    opened("mkstemps64", mkstemps64(name, 2));
    strcpy(name, "m4-XXXXXX.s");
    opened("mkostemps64", mkostemps64(name, 2, O_APPEND));
    char *roots[] = {(char[]){"dir"}, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL, NULL);
    while (fts_read(tree) != NULL) {
    }
    fts_close(tree);
#endif
    stream("fopen r", fopen("a", "r"));
    stream("fopen w", fopen("i", "w"));
    stream("fopen a", fopen("i", "ae"));
    stream("fopen r+", fopen("i", "r+"));
    stream("fopen wx", fopen("j", "wx"));
    stream("fopen of nothing", fopen("no-such-file", "r"));
    stream("freopen", freopen("k", "w", fopen("a", "r")));
    stream("tmpfile", tmpfile());
    strcpy(name, "n1-XXXXXX");
    opened("mkstemp", mkstemp(name));
    strcpy(name, "n2-XXXXXX");
    opened("mkostemp", mkostemp(name, O_CLOEXEC));
    strcpy(name, "n3-XXXXXX.s");
    opened("mkstemps", mkstemps(name, 2));
    strcpy(name, "n4-XXXXXX.s");
    opened("mkostemps", mkostemps(name, 2, O_CLOEXEC));
    DIR *listing = opendir("dir");
    printf("opendir %d\n", listing != NULL);
    closedir(listing);
    struct dirent **entries = NULL;
    printf("scandir %d\n", scandir("dir", &entries, NULL, alphasort));
    printf("nftw %d\n", nftw("dir", visit, 8, FTW_PHYS));
    glob_t found;
    printf("glob %d %zu\n", glob("dir/*", 0, NULL, &found), found.gl_pathc);
    shm_unlink("/agentops-truth");
    opened("shm_open", shm_open("/agentops-truth", O_RDWR | O_CREAT, 0600));
    shm_unlink("/agentops-truth");
    printf("dlopen %d\n", dlopen("/no/such/library.so", RTLD_NOW) == NULL);
    return 0;
}
