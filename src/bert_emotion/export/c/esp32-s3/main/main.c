/* Answers every line that comes over the serial console with its emotion and the time it took.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "bert_emotion.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

static char line[512];
static float scores[BE_LABELS];

/* One line without its end; characters come one by one, and EOF only says that none has come yet. */
static void read_line(void)
{
    size_t n = 0;
    for (;;) {
        int c = getchar();
        if (c == EOF) {
            vTaskDelay(pdMS_TO_TICKS(10));
        } else if (c == '\n' || c == '\r') {
            if (n > 0)
                break;
        } else if (n + 1 < sizeof line) {
            line[n++] = (char)c;
        }
    }
    line[n] = 0;
}

void app_main(void)
{
    printf("%s: %d labels, workspace %d bytes\n", BE_NAME, BE_LABELS, (int)BE_WORKSPACE_BYTES);
    for (;;) {
        int64_t start;
        int id;
        read_line();
        start = esp_timer_get_time();
        id = bert_emotion_predict(line, scores);
        printf("%s %s %.2f%s in %d ms\n", bert_emotion_emoji[id], bert_emotion_label[id], (double)scores[id],
               scores[id] < BE_THRESHOLD ? " (unsure)" : "", (int)((esp_timer_get_time() - start) / 1000));
    }
}
