/* machine.c - reads /proc/cpuinfo, sysconf and uname. */
#include "loadgen/machine.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static struct report_entry *entry(struct report *r, const char *name)
{
    if (r->machine_count == sizeof r->machine / sizeof r->machine[0])
        return NULL;
    struct report_entry *e = &r->machine[r->machine_count++];
    snprintf(e->name, sizeof e->name, "%s", name);
    return e;
}

static void describe_processor(struct report *r)
{
    FILE *f = fopen("/proc/cpuinfo", "r");
    char line[256];
    while (f && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon)
            continue;
        struct report_entry *e = entry(r, "processor");
        colon[strcspn(colon, "\n")] = 0;
        if (e)
            snprintf(e->value, sizeof e->value, "%.150s", colon + 2);
        break;
    }
    if (f)
        fclose(f);
}

void machine_describe(struct report *r)
{
    describe_processor(r);
    struct report_entry *e = entry(r, "cores");
    if (e)
        snprintf(e->value, sizeof e->value, "%ld", sysconf(_SC_NPROCESSORS_ONLN));
    e = entry(r, "memory");
    double bytes = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    if (e)
        snprintf(e->value, sizeof e->value, "%.1f GiB", bytes / (1 << 30));
    struct utsname name;
    if (uname(&name) == 0 && (e = entry(r, "system")) != NULL)
        snprintf(e->value, sizeof e->value, "%.40s %.60s", name.sysname, name.release);
}
