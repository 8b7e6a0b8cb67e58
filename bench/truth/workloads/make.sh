# make -j4: sixteen compilations side by side, a recursive make, $(shell), dependencies by the compiler.
set -eu
mkdir sub
{
  printf 'OBJECTS := $(patsubst %%.c,%%.o,$(sort $(wildcard *.c)))\nWHERE := $(shell pwd)\nall: program sub/done\n'
  printf 'program: $(OBJECTS)\n\tgcc -o $@ $^\n%%.o: %%.c\n\tgcc -O1 -MMD -c $< -o $@\nsub/done:\n\t+$(MAKE) -s -C sub\n'
  printf 'clean:\n\trm -f *.o *.d program\n'
} >Makefile
printf 'done:\n\t@for i in 1 2 3; do echo $$i; done >done; cat done >copy\n' >sub/Makefile
for i in $(seq 15); do echo "int f$i(int x) { return x + $i; }" >"f$i.c"; done
{
  for i in $(seq 15); do echo "int f$i(int);"; done
  echo 'int main(void) { int x = 0;'
  for i in $(seq 15); do echo "x = f$i(x);"; done
  echo 'return x == 120 ? 0 : 1; }'
} >main.c
make -s -j4
./program
make -s -j4
touch f3.c
make -s -j4
make -s clean
ls | wc -l
