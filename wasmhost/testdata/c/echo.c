// echo answers with the event.
#include "guest.h"

static uint8_t buffer[64 << 10];

EXPORT(skiff_alloc) uint32_t skiff_alloc(uint32_t n) {
	return n <= sizeof buffer ? (uint32_t)(uintptr_t)buffer : 0;
}

EXPORT(handle) uint64_t handle(uint32_t ptr, uint32_t n) { return (uint64_t)ptr << 32 | n; }
