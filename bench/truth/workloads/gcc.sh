# gcc: preprocess, compile, assemble, archive, link statically and dynamically, run, objdump.
set -eu
printf '#include <stdio.h>\nint number(void);\nint main(void) { printf("built %%d\\n", number()); return 0; }\n' >main.c
printf 'int number(void) { return 42; }\n' >number.c
gcc -O2 -c number.c -o number.o
ar rcD libnumber.a number.o
gcc -O2 main.c -L. -lnumber -o dynamic
gcc -O2 -static main.c number.c -o static
gcc -save-temps=obj -fPIC -shared number.c -o libnumber.so
./dynamic
./static
gcc -E main.c | grep -c number
nm number.o
if gcc -c missing.c -o missing.o 2>/dev/null; then exit 1; fi
strip dynamic
./dynamic
