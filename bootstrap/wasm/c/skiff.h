/*
 * skiff.h: the guest SDK for C. One header, no library.
 *
 * A guest is a WebAssembly module with a handler and skiff_alloc:
 *
 *     #define SKIFF_IMPLEMENTATION          // in one file of the guest
 *     #include "skiff.h"
 *
 *     SKIFF_HANDLER(handle)                 // deploy with --handler main.handle
 *     {
 *         return skiff_result(payload, length);
 *     }
 *
 * Without a C library (small, quick to start):
 *     clang --target=wasm32 -ffreestanding -nostdlib -O2 \
 *         -Wl,--no-entry -Wl,-z,stack-size=16384 -o main.wasm main.c
 * With wasi-libc, as a reactor:
 *     clang --target=wasm32-wasi --sysroot=/usr -mexec-model=reactor -O2 -o main.wasm main.c
 *
 * The ABI itself is on the page README.md beside this directory. A command,
 * which reads standard input and writes standard output, needs no header.
 *
 * Everything here is for one thread, as a guest has one.
 */
#ifndef SKIFF_H
#define SKIFF_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SKIFF_IMPORT(name) __attribute__((import_module("skiff"), import_name(name)))
#define SKIFF_EXPORT(name) __attribute__((export_name(name), used))

/* Defines the exported handler `name`, which may use payload and length. */
#define SKIFF_HANDLER(name) \
    SKIFF_EXPORT(#name) uint64_t name(const char *payload, uint32_t length)

/* Set in the length of an error result. */
#define SKIFF_ERROR_BIT ((uint64_t)1 << 31)

/* What the host gives. The helpers below are easier to use. */
SKIFF_IMPORT("log") void skiff_host_log(int32_t level, const char *text, uint32_t length);
SKIFF_IMPORT("meta") int32_t skiff_host_meta(int32_t key, char *buffer, uint32_t capacity);

enum skiff_level { SKIFF_DEBUG = 0, SKIFF_INFO = 1, SKIFF_WARN = 2, SKIFF_ERROR = 3 };

enum skiff_key {
    SKIFF_REQUEST_ID = 0,
    SKIFF_DEADLINE_MS = 1, /* milliseconds since 1970-01-01 UTC, decimal */
    SKIFF_TRACEPARENT = 2,
    SKIFF_FUNCTION = 3,
    SKIFF_VERSION = 4
};

/* Called by the host before each call: ends the life of everything that the
 * last call took from the arena, and returns room for the payload, or NULL. */
SKIFF_EXPORT("skiff_alloc") void *skiff_alloc(uint32_t length);

/* Takes bytes from the arena, aligned to 16; they live until the next call.
 * NULL when the memory limit of the function is reached. */
void *skiff_take(uint32_t length);

/* Packs a result. The bytes must stay as they are until the next call: part
 * of the payload, from skiff_take, or static. */
static inline uint64_t skiff_result(const void *bytes, uint32_t length)
{
    return (uint64_t)(uintptr_t)bytes << 32 | length;
}

/* Makes an error result, {"errorMessage","errorType"}, of two C strings. */
uint64_t skiff_fail(const char *type, const char *message);

/* The length of a C string; here because there may be no C library. */
static inline uint32_t skiff_length(const char *text)
{
    uint32_t n = 0;
    while (text[n] != 0)
        n++;
    return n;
}

/* Writes one line, a C string, to the log of the invocation. */
static inline void skiff_log(enum skiff_level level, const char *text)
{
    skiff_host_log(level, text, skiff_length(text));
}

/* A value about the request as a C string from the arena. "" where the host
 * has none, NULL when memory ends. */
const char *skiff_meta(enum skiff_key key);

#ifdef SKIFF_IMPLEMENTATION

/* Bytes that a guest may take in a call without growing its memory. A larger
 * payload grows it, for the life of the instance. */
#ifndef SKIFF_ARENA_SIZE
#define SKIFF_ARENA_SIZE 32768
#endif

#define SKIFF_PAGE 65536u

static char skiff_first[SKIFF_ARENA_SIZE] __attribute__((aligned(16)));
static uintptr_t skiff_base = (uintptr_t)skiff_first;
static uintptr_t skiff_next = (uintptr_t)skiff_first;
static uintptr_t skiff_end = (uintptr_t)skiff_first + SKIFF_ARENA_SIZE;

/* Gets at least `length` more bytes at skiff_next. Where others (malloc) have
 * grown the memory meanwhile, the arena moves to new pages, at least twice as
 * many as it had: what is left behind is less than what is in use. */
static int skiff_grow(uint32_t length)
{
    uintptr_t have = skiff_end - skiff_base;
    uint32_t want = (uint32_t)(length < have * 2 ? have * 2 : length);
    uint32_t pages = want / SKIFF_PAGE + (want % SKIFF_PAGE != 0);
    uintptr_t at;
    size_t before = __builtin_wasm_memory_grow(0, pages);
    if (before == (size_t)-1) {
        pages = length / SKIFF_PAGE + (length % SKIFF_PAGE != 0);
        before = __builtin_wasm_memory_grow(0, pages);
        if (before == (size_t)-1)
            return 0;
    }
    at = (uintptr_t)before * SKIFF_PAGE;
    if (at != skiff_end)
        skiff_base = skiff_next = at;
    skiff_end = at + (uintptr_t)pages * SKIFF_PAGE;
    return 1;
}

void *skiff_take(uint32_t length)
{
    uint32_t rounded = (length + 15u) & ~15u;
    uintptr_t at;
    if (rounded < length)
        return NULL;
    if (rounded > skiff_end - skiff_next && !skiff_grow(rounded))
        return NULL;
    at = skiff_next;
    skiff_next += rounded;
    return (void *)at;
}

void *skiff_alloc(uint32_t length)
{
    skiff_next = skiff_base;
    return skiff_take(length);
}

/* Writes text as the inside of a JSON string and returns the end. Room for
 * six times the text is needed. */
static char *skiff_escape(char *out, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    for (; *text != 0; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            *out++ = '\\';
            *out++ = (char)c;
        } else if (c < 0x20) {
            *out++ = '\\', *out++ = 'u', *out++ = '0', *out++ = '0';
            *out++ = hex[c >> 4], *out++ = hex[c & 15];
        } else {
            *out++ = (char)c;
        }
    }
    return out;
}

static char *skiff_append(char *out, const char *text)
{
    while (*text != 0)
        *out++ = *text++;
    return out;
}

uint64_t skiff_fail(const char *type, const char *message)
{
    char *start = (char *)skiff_take(64 + 6 * (skiff_length(type) + skiff_length(message)));
    char *out = start;
    if (start == NULL)
        return skiff_result(NULL, 0) | SKIFF_ERROR_BIT;
    out = skiff_append(out, "{\"errorMessage\":\"");
    out = skiff_escape(out, message);
    out = skiff_append(out, "\",\"errorType\":\"");
    out = skiff_escape(out, type);
    out = skiff_append(out, "\"}");
    return skiff_result(start, (uint32_t)(out - start)) | SKIFF_ERROR_BIT;
}

const char *skiff_meta(enum skiff_key key)
{
    int32_t n = skiff_host_meta(key, NULL, 0);
    char *text;
    if (n <= 0)
        return "";
    text = (char *)skiff_take((uint32_t)n + 1);
    if (text == NULL)
        return NULL;
    skiff_host_meta(key, text, (uint32_t)n);
    text[n] = 0;
    return text;
}

#endif /* SKIFF_IMPLEMENTATION */

#ifdef __cplusplus
}
#endif

#endif /* SKIFF_H */
