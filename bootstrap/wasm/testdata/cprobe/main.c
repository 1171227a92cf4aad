/* A guest that does on demand what guests do, for the tests of skiff.h: the
 * first byte of the payload says what. */
#define SKIFF_IMPLEMENTATION
#define SKIFF_ARENA_SIZE 1024
#include "skiff.h"

#ifdef __wasi__
#include <stdlib.h>
static void *volatile keep;
#endif

static uint64_t text(const char *s)
{
    return s == NULL ? skiff_fail("Memory", "none left") : skiff_result(s, skiff_length(s));
}

SKIFF_HANDLER(handle)
{
    char *copy;
    if (length == 0)
        return skiff_result(NULL, 0);
    switch (payload[0]) {
    case 'f':
        return skiff_fail("Bad\"Type", "line\n\\ \"quoted\"");
    case 'l':
        skiff_log(SKIFF_DEBUG, "fine");
        skiff_log(SKIFF_ERROR, "bad");
        return skiff_result("logged", 6);
    case 'm':
        return text(skiff_meta((enum skiff_key)(payload[1] - '0')));
    case 'h': /* hoard: more than the memory limit */
        while (skiff_take(1 << 20) != NULL)
            ;
        return skiff_fail("Memory", "none left");
#ifdef __wasi__
    case 'g': /* malloc between two growths of the arena */
        keep = malloc(1 << 18);
        if (keep == NULL)
            return skiff_fail("Memory", "none left");
        ((volatile char *)keep)[0] = 1;
        break;
#endif
    case 't':
        __builtin_trap();
    }
    copy = skiff_take(length);
    if (copy == NULL)
        return skiff_fail("Memory", "none left");
    for (uint32_t i = 0; i < length; i++)
        copy[i] = payload[i];
#ifdef __wasi__
    if (payload[0] == 'g')
        free(keep);
#endif
    return skiff_result(copy, length);
}
