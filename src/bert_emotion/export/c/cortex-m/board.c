/* The classifier on a bare Cortex-M7, as qemu's mps2-an500 has it: starts the processor, reads the texts of texts.h,
 * and prints for each its logits (the bits of every float, hexadecimal) and the ticks of a 25 MHz timer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdint.h>
#include <string.h>

#include "bert_emotion.h"
#include "texts.h"

extern uint32_t stack_end, data_start, data_end, data_image, bss_start, bss_end;

#define FLOATS_ALLOWED (*(volatile uint32_t *)0xE000ED88u)
#define TIMER_CONTROL (*(volatile uint32_t *)0x40000000u)
#define TIMER_VALUE (*(volatile uint32_t *)0x40000004u)
#define TIMER_RELOAD (*(volatile uint32_t *)0x40000008u)

int main(void);

/* A request to the emulator (semihosting). */
static void host(uint32_t what, const void *with)
{
    register uint32_t r0 __asm__("r0") = what;
    register const void *r1 __asm__("r1") = with;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

#define PRINT 0x04u
#define LEAVE 0x18u
#define WELL ((const void *)0x20026)
#define BADLY ((const void *)0x20024)

static void fault(void)
{
    host(PRINT, "fault\n");
    host(LEAVE, BADLY);
    for (;;)
        ;
}

void reset(void)
{
    memcpy(&data_start, &data_image, (uint32_t)((char *)&data_end - (char *)&data_start));
    memset(&bss_start, 0, (uint32_t)((char *)&bss_end - (char *)&bss_start));
    FLOATS_ALLOWED |= 0xFu << 20;
    __asm__ volatile("dsb\n isb");
    main();
    host(LEAVE, WELL);
    for (;;)
        ;
}

typedef void (*handler)(void);
__attribute__((section(".vectors"), used)) static const handler vectors[16] = {
    (handler)&stack_end, reset, fault, fault, fault, fault, fault,
};

static void print_word(uint32_t word, char end)
{
    char text[10];
    int i;
    for (i = 0; i < 8; i++)
        text[i] = "0123456789abcdef"[word >> (28 - 4 * i) & 15u];
    text[8] = end;
    text[9] = 0;
    host(PRINT, text);
}

int main(void)
{
    static float logits[BE_LABELS];
    unsigned k;
    TIMER_RELOAD = 0xFFFFFFFFu;
    TIMER_VALUE = 0xFFFFFFFFu;
    TIMER_CONTROL = 1;
    for (k = 0; k < sizeof texts / sizeof *texts; k++) {
        uint32_t start = TIMER_VALUE, ticks;
        int i;
        bert_emotion_logits(texts[k], logits);
        ticks = start - TIMER_VALUE; /* it counts down */
        for (i = 0; i < BE_LABELS; i++) {
            uint32_t bits;
            memcpy(&bits, &logits[i], sizeof bits);
            print_word(bits, ' ');
        }
        print_word(ticks, '\n');
    }
    return 0;
}
