// What the C guests of the tests share: the reactor's interface and no libc.
#include <stddef.h>
#include <stdint.h>
#define EXPORT(name) __attribute__((export_name(#name)))
#define IMPORT(mod, name) __attribute__((import_module(#mod), import_name(#name)))
