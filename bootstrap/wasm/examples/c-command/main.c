/* Counts the words of a text: the event comes on standard input, the result
 * goes to standard output, the log to standard error. An exit code other than
 * 0 fails the invocation. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    unsigned long bytes = 0, words = 0, lines = 0;
    int c, inside = 0;
    const char *id = getenv("SKIFF_REQUEST_ID");

    while ((c = getchar()) != EOF) {
        bytes++;
        lines += c == '\n';
        words += !inside && !isspace(c);
        inside = !isspace(c);
    }
    if (ferror(stdin) || bytes == 0) {
        fputs("there is no text to count\n", stderr);
        return 1;
    }
    fprintf(stderr, "counted %lu bytes for request %s\n", bytes, id ? id : "?");
    printf("{\"bytes\":%lu,\"words\":%lu,\"lines\":%lu}\n", bytes, words, lines);
    return fflush(stdout) == 0 ? 0 : 1;
}
