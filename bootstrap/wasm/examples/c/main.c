/* Echoes the payload; the smallest function there is. */
#define SKIFF_IMPLEMENTATION
#include "skiff.h"

SKIFF_HANDLER(handle)
{
    if (length == 0)
        return skiff_fail("BadRequest", "the payload is empty");
    return skiff_result(payload, length);
}
