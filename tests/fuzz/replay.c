/* replay.c - main of the fuzz targets as the tests run them: each file named is one input. No fuzzer, the test binary's own
 * objects. */
#include "fuzz.h"

static void play(const char *path)
{
	static uint8_t bytes[1 << 20];
	FILE *file = fopen(path, "rb");
	size_t n;

	PROMISE(file);
	n = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	LLVMFuzzerTestOneInput(bytes, n);
}

int main(int argc, char **argv)
{
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++)
		play(argv[i]);
	printf("%d inputs\n", argc - 1);
	return argc > 1 ? 0 : 1;
}
