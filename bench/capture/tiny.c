/* The least that a dynamic program can be. */
int main(void)
{
    return 0;
}
