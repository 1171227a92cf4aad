// behave has a handler for each behaviour of the sandbox suite.
#include "guest.h"

IMPORT(skiff, meta) uint32_t meta(uint32_t key, void *p, uint32_t n);
IMPORT(skiff, log) void skiff_log(uint32_t level, const void *p, uint32_t n);
IMPORT(wasi_snapshot_preview1, proc_exit) _Noreturn void proc_exit(uint32_t code);
IMPORT(wasi_snapshot_preview1, fd_write) uint32_t fd_write(uint32_t fd, const void *list, uint32_t count, uint32_t *written);
IMPORT(wasi_snapshot_preview1, poll_oneoff) uint32_t poll_oneoff(const void *in, void *out, uint32_t n, uint32_t *events);
IMPORT(wasi_snapshot_preview1, environ_sizes_get) uint32_t environ_sizes_get(uint32_t *count, uint32_t *size);
IMPORT(wasi_snapshot_preview1, environ_get) uint32_t environ_get(char **list, char *text);

#define FAILED (1ull << 31)

extern char __heap_base;
static uint32_t calls;

// reserve makes n bytes behind the program's data usable.
static char *reserve(uint32_t n) {
	uint32_t end = (uint32_t)(uintptr_t)&__heap_base + n;
	uint32_t pages = __builtin_wasm_memory_size(0), want = (end + 65535) >> 16;
	if (want > pages && __builtin_wasm_memory_grow(0, want - pages) == (size_t)-1)
		return 0;
	return &__heap_base;
}

EXPORT(skiff_alloc) uint32_t skiff_alloc(uint32_t n) { return (uint32_t)(uintptr_t)reserve(n); }

static uint64_t answer(const char *p, uint32_t n) { return (uint64_t)(uint32_t)(uintptr_t)p << 32 | n; }

static uint32_t append(char *to, uint32_t at, const char *text) {
	while (*text)
		to[at++] = *text++;
	return at;
}

static uint32_t decimal(char *to, uint32_t at, uint32_t v) {
	char digits[10];
	int n = 0;
	do
		digits[n++] = '0' + v % 10;
	while (v /= 10);
	while (n)
		to[at++] = digits[--n];
	return at;
}

static uint32_t number(const char *p, uint32_t n) {
	uint32_t v = 0;
	while (n--)
		v = v * 10 + (*p++ - '0');
	return v;
}

EXPORT(echo) uint64_t echo(char *p, uint32_t n) { return answer(p, n); }

EXPORT(fail) uint64_t fail(char *p, uint32_t n) {
	static char text[4096];
	uint32_t at = append(text, 0, "{\"errorType\":\"Boom\",\"errorMessage\":\"");
	for (uint32_t i = 0; i < n; i++)
		text[at++] = p[i];
	at = append(text, at, "\"}");
	return answer(text, at) | FAILED;
}

EXPORT(exit) uint64_t exit_(char *p, uint32_t n) { proc_exit(3); }

EXPORT(trap) uint64_t trap(char *p, uint32_t n) { __builtin_trap(); }

EXPORT(loop) uint64_t loop(char *p, uint32_t n) {
	for (;;)
		__asm__ volatile("");
}

EXPORT(sleep) uint64_t sleep(char *p, uint32_t n) {
	static struct {
		uint64_t user;
		uint64_t tag;
		uint64_t clock;
		uint64_t timeout, precision, flags;
	} in;
	static char out[32];
	uint32_t events;
	in.clock = 1;
	in.timeout = (uint64_t)number(p, n) * 1000000;
	if (poll_oneoff(&in, out, 1, &events) || events != 1)
		__builtin_trap();
	return answer(p, n);
}

EXPORT(grow) uint64_t grow(char *p, uint32_t n) {
	for (;;) {
		size_t old = __builtin_wasm_memory_grow(0, 16);
		if (old == (size_t)-1)
			__builtin_trap();
		*(volatile char *)(old << 16) = 1;
	}
}

EXPORT(logs) uint64_t logs(char *p, uint32_t n) {
	static char text[4096];
	struct {
		char *p;
		uint32_t n;
	} list = {text, 0};
	uint32_t count = number(p, n), written;
	for (uint32_t i = 1; i <= count; i++) {
		list.n = append(text, list.n, "line ");
		list.n = decimal(text, list.n, i);
		list.n = append(text, list.n, "\n");
		if (list.n > sizeof text - 32 || i == count) {
			fd_write(2, &list, 1, &written);
			list.n = 0;
		}
	}
	return answer(p, n);
}

EXPORT(blurt) uint64_t blurt(char *p, uint32_t n) {
	uint32_t count = number(p, n);
	char *text = reserve(2 * count + n) + n;
	for (uint32_t i = 0; i < count; i++) {
		text[2 * i] = 0xc3;
		text[2 * i + 1] = 0xa9;
	}
	skiff_log(1, text, 2 * count);
	return answer(p, n);
}

EXPORT(env) uint64_t env(char *p, uint32_t n) {
	static char *list[64], text[4096], out[8192];
	uint32_t count, size, at = 0;
	environ_sizes_get(&count, &size);
	environ_get(list, text);
	for (uint32_t i = 0; i < count; i++)
		if (list[i][0] == 'G')
			at = append(out, at, list[i]);
	at = append(out, at, " ");
	at += meta(0, out + at, 64);
	return answer(out, at);
}

EXPORT(count) uint64_t count(char *p, uint32_t n) {
	static char text[16];
	return answer(text, decimal(text, 0, ++calls));
}

EXPORT(huge) uint64_t huge(char *p, uint32_t n) {
	uint32_t size = (6 << 20) + 1;
	return answer(reserve(size), size);
}
