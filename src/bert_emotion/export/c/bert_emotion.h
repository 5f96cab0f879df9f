/* BERT-Emotion for microcontrollers: which emotion does a short text carry?
 *
 * Plain C99. No allocation, no files, no threads; of the C library memcpy, memset and sqrtf alone. All constants
 * (weights, vocabulary, tables of Unicode) lie in model.h, all working memory in one static workspace, so that one
 * text is read at a time: call these functions from one task.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BERT_EMOTION_H
#define BERT_EMOTION_H

#include <stdint.h>

#include "model.h"

/* Longest text in tokens, the two marks around it included; a longer text is cut. Set it on the compiler's command
 * line to save memory (-DBE_TOKENS=16) or to read more (up to BE_POSITIONS). */
#ifndef BE_TOKENS
#define BE_TOKENS BE_DEFAULT_TOKENS
#endif

/* RAM of the workspace in bytes; int8 rows are worked on by fours. The stack needs less than 1 KB beside it. */
#define BE_ROWS ((BE_TOKENS + 3) / 4 * 4)
#define BE_WORKSPACE_BYTES                                                                                             \
    (4 * BE_TOKENS * (2 * BE_HIDDEN + 3 * BE_HEAD + 3) + BE_ROWS * (BE_HIDDEN + BE_SLICE) + 4 * BE_TOKENS +            \
     4 * BE_WORD_CHARACTERS)

#ifdef __cplusplus
extern "C" {
#endif

/* The label of a text: id of the best one, 0 … BE_LABELS - 1.
 *
 * utf8: any bytes up to a zero; what is no UTF-8 is passed over.
 * scores: calibrated probability of every label, summing to 1 (with BE_MULTI_LABEL each by itself). Where
 *     scores[id] < BE_THRESHOLD the answer is unsure. A text without a readable word is answered with Neutral where
 *     the model has it, else with label 0, all scores nearly alike.
 */
int bert_emotion_predict(const char *utf8, float scores[BE_LABELS]);

/* What the network alone says, before calibration; returns how many tokens were read. */
int bert_emotion_logits(const char *utf8, float logits[BE_LABELS]);

/* Tokens of a text, [CLS] and [SEP] included; returns how many, at most BE_TOKENS. A token is its place in the sorted
 * vocabulary of model.h, which is another number than its id in tokenizer.json. */
int bert_emotion_tokens(const char *utf8, uint16_t tokens[BE_TOKENS]);

/* Names and emoji of the labels in id order, UTF-8. */
extern const char *const bert_emotion_label[BE_LABELS];
extern const char *const bert_emotion_emoji[BE_LABELS];

#if BE_MULTI_LABEL
/* Of a model that gives several labels: the probability from which on each is given. */
extern const float bert_emotion_label_threshold[BE_LABELS];
#endif

#ifdef __cplusplus
}
#endif

#endif
