/* The classifier on a computer, to try it and to check it: reads texts from standard input.
 *
 *   cc -std=c99 -O2 main.c bert_emotion.c -lm -o emotion
 *   echo "i love you" | ./emotion           one text a line; prints emoji, label and probability
 *   ./emotion logits | ./emotion tokens     texts end with a zero byte; prints what the network says, or the tokens
 *   ./emotion memory                        prints the bytes of the workspace
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "bert_emotion.h"

static char text[1 << 20]; /* a longer text is cut here */

/* Next text up to `end`; 0 behind the last one. */
static int next_text(int end)
{
    size_t n = 0;
    int c = getchar();
    if (c == EOF)
        return 0;
    for (; c != EOF && c != end; c = getchar())
        if (n + 1 < sizeof text)
            text[n++] = (char)c;
    text[n] = 0;
    return 1;
}

int main(int count, char **words)
{
    const char *what = count > 1 ? words[1] : "label";
    int i;
    if (strcmp(what, "memory") == 0) {
        printf("%d\n", (int)BE_WORKSPACE_BYTES);
    } else if (strcmp(what, "logits") == 0) {
        float logits[BE_LABELS];
        while (next_text(0)) {
            bert_emotion_logits(text, logits);
            for (i = 0; i < BE_LABELS; i++)
                printf("%.9g%c", (double)logits[i], i + 1 < BE_LABELS ? ' ' : '\n');
        }
    } else if (strcmp(what, "tokens") == 0) {
        uint16_t tokens[BE_TOKENS];
        while (next_text(0)) {
            int n = bert_emotion_tokens(text, tokens);
            for (i = 0; i < n; i++)
                printf("%d%c", tokens[i], i + 1 < n ? ' ' : '\n');
        }
    } else {
        float scores[BE_LABELS];
        while (next_text('\n')) {
            int best = bert_emotion_predict(text, scores);
            printf("%s %s %.2f%s\n", bert_emotion_emoji[best], bert_emotion_label[best], (double)scores[best],
                   scores[best] < BE_THRESHOLD ? " (unsure)" : "");
        }
    }
    return 0;
}
