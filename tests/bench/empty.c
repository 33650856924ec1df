/* empty.c - a program that does nothing and waits: the floor under every figure of memory. */
#include <unistd.h>

int main(void)
{
	return pause();
}
