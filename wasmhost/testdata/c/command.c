// command copies standard input to standard output.
#include <unistd.h>

int main(void) {
	static char buffer[64 << 10];
	for (;;) {
		ssize_t n = read(0, buffer, sizeof buffer);
		if (n <= 0)
			return n < 0;
		for (ssize_t at = 0; at < n;) {
			ssize_t w = write(1, buffer + at, n - at);
			if (w < 0)
				return 2;
			at += w;
		}
	}
}
