/* BERT-Emotion for microcontrollers: text to word pieces, int8 network, softmax. See bert_emotion.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define BERT_EMOTION_DATA
#include "bert_emotion.h"

#include <math.h>
#include <string.h>

#if defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>
#endif

#if BE_TOKENS < 3 || BE_TOKENS > BE_POSITIONS
#error "BE_TOKENS must be between 3 and BE_POSITIONS"
#endif
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the weights of model.h are packed for little-endian processors"
#endif

static struct {
    float hidden[BE_TOKENS * BE_HIDDEN];    /* one row a token, through all layers */
    float wide[BE_TOKENS * BE_HIDDEN];      /* context of all heads; then one slice of the feed-forward layer */
    float heads[BE_TOKENS * 3 * BE_HEAD];   /* query, key and value of one head */
    float attention[BE_TOKENS];             /* of one token to all */
    float narrow_step[BE_TOKENS];
    float slice_step[BE_TOKENS];
    int8_t narrow[BE_ROWS * BE_HIDDEN];     /* a row of hidden or wide in steps of narrow_step */
    int8_t slice[BE_ROWS * BE_SLICE];       /* the same of a slice of the feed-forward layer */
    uint16_t tokens[BE_TOKENS];
    uint16_t pieces[BE_TOKENS];             /* of the word that is being read */
    unsigned char word[4 * BE_WORD_CHARACTERS];  /* that word in UTF-8 */
} work;

typedef char be_workspace_is_as_told[sizeof work == BE_WORKSPACE_BYTES ? 1 : -1];

const char *const bert_emotion_label[BE_LABELS] = {BE_LABEL_NAMES};
const char *const bert_emotion_emoji[BE_LABELS] = {BE_LABEL_EMOJI};
#if BE_MULTI_LABEL
const float bert_emotion_label_threshold[BE_LABELS] = {BE_LABEL_THRESHOLDS};
#endif

/* --- characters ------------------------------------------------------------------------------------------------ */

enum { DROP = 1, SPACE = 2, PUNCTUATION = 4, DIGIT = 8, LETTER = 16, EMOJI = 32, IDEOGRAPH = 64 }; /* of be_classes */

#define STRIPPED 0x40000000u /* a letter whose accent fell off: it is no part of an emoticon */
#define SPECIAL 0x20000000u  /* a special token written out in the text, such as [SEP] */
#define MANY 0x80000000u     /* of be_fold_to: several characters, at be_fold_many */
#define CODE 0x1FFFFFu

typedef struct {
    const unsigned char *at; /* next byte */
    const uint32_t *rest;    /* of a character that stands for several: those still to come */
    uint32_t left;
} reader;

/* Code point at *at, which moves behind it; what is no UTF-8 reads as U+FFFD. */
static uint32_t decode(const unsigned char **at)
{
    const unsigned char *s = *at;
    uint32_t c = *s++, low = 0x80, high = 0xBF;
    int more = 0;
    if (c >= 0xC2 && c <= 0xDF) {
        more = 1;
        c &= 0x1F;
    } else if (c >= 0xE0 && c <= 0xEF) {
        more = 2;
        low = c == 0xE0 ? 0xA0 : low;
        high = c == 0xED ? 0x9F : high;
        c &= 0x0F;
    } else if (c >= 0xF0 && c <= 0xF4) {
        more = 3;
        low = c == 0xF0 ? 0x90 : low;
        high = c == 0xF4 ? 0x8F : high;
        c &= 0x07;
    } else if (c >= 0x80) {
        c = 0xFFFD;
    }
    while (more-- > 0) {
        if (*s < low || *s > high) { /* the closing zero is such a byte too */
            c = 0xFFFD;
            break;
        }
        c = c << 6 | (*s++ & 0x3Fu);
        low = 0x80;
        high = 0xBF;
    }
    *at = s;
    return c;
}

/* Index of the last of n sorted numbers (shifted right) that is not above key; -1 where all are. */
static int last_up_to(const uint32_t *sorted, int n, int shift, uint32_t key)
{
    int low = 0;
    while (n > 0) {
        int half = n / 2;
        if (sorted[low + half] >> shift <= key) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low - 1;
}

static unsigned class_of(uint32_t c)
{
    return c & SPECIAL ? 0 : be_classes[last_up_to(be_classes, BE_CLASSES, 7, c & CODE)] & 127u;
}

/* Next character in its plain form: compatibility forms unfolded, accents off, not yet in lower case; 0 at the end. */
static uint32_t next_character(reader *r)
{
    uint32_t c, to;
    int i;
    if (r->left > 0) {
        r->left--;
        return *r->rest++;
    }
    if (*r->at == 0)
        return 0;
#if BE_SPECIALS > 0
    for (i = 0; i < BE_SPECIALS; i++) {
        int n = 0;
        while (be_special_text[i][n] != 0 && r->at[n] == (unsigned char)be_special_text[i][n])
            n++;
        if (be_special_text[i][n] == 0) {
            r->at += n;
            return SPECIAL | be_special_token[i];
        }
    }
#endif
    c = decode(&r->at);
    if (c < 0x80)
        return c;
    i = last_up_to(be_fold_from, BE_FOLDS, 0, c);
    if (i < 0 || be_fold_from[i] != c)
        return c;
    to = be_fold_to[i];
    if ((to & MANY) == 0)
        return to;
    r->rest = be_fold_many + (to >> 5 & 0xFFFFFFu);
    r->left = (to & 31u) - 1;
    return *r->rest++;
}

/* --- words ----------------------------------------------------------------------------------------------------- */

typedef struct {
    int tokens;         /* so far; stops at BE_TOKENS - 1 */
    int bytes, letters; /* of the word that is being read; one longer than BE_WORD_CHARACTERS is only counted */
    uint32_t one, two;  /* characters before this one */
} writer;

#define FULL(w) ((w)->tokens >= BE_TOKENS - 1)

static void add_token(writer *w, uint16_t token)
{
    if (!FULL(w))
        work.tokens[w->tokens++] = token;
}

static const unsigned char *piece(int i, int *length)
{
    const unsigned char *start = (const unsigned char *)be_pieces + be_piece_block[i / 16];
    int k;
    for (k = i & ~15; k < i; k++)
        start += be_piece_length[k];
    *length = be_piece_length[i];
    return start;
}

/* First piece in [low, high), all of which share `depth` bytes, whose next byte is not under b. */
static int first_from(int low, int high, int depth, int b)
{
    while (low < high) {
        int length, half = low + (high - low) / 2;
        const unsigned char *p = piece(half, &length);
        if (length <= depth || p[depth] < b)
            low = half + 1;
        else
            high = half;
    }
    return low;
}

/* Longest piece that the bytes begin with; -1 where there is none. */
static int longest(const unsigned char *bytes, int n, int inside, int *taken)
{
    int low = inside ? BE_INSIDE_FROM : 0, high = inside ? BE_INSIDE_TO : BE_PIECES;
    int prefix = inside ? 2 : 0, found = -1, i, length; /* "##" marks a piece from within a word */
    for (i = 0; i < n; i++) {
        low = first_from(low, high, prefix + i, bytes[i]);
        high = first_from(low, high, prefix + i, bytes[i] + 1);
        if (low == high)
            break;
        piece(low, &length);
        if (length == prefix + i + 1) {
            found = low;
            *taken = i + 1;
        }
    }
    return found;
}

static void end_word(writer *w)
{
    int at = 0, n = 0, i;
    if (w->letters == 0)
        return;
    if (w->letters > BE_WORD_CHARACTERS)
        at = -1;
    while (at >= 0 && at < w->bytes) {
        int taken = 0, found = longest(work.word + at, w->bytes - at, at > 0, &taken);
        if (found < 0) {
            at = -1;
        } else {
            if (n < BE_TOKENS)
                work.pieces[n++] = (uint16_t)found;
            at += taken;
        }
    }
    if (at < 0) /* one part unknown, all unknown */
        add_token(w, BE_UNK);
    for (i = 0; at >= 0 && i < n; i++)
        add_token(w, work.pieces[i]);
    w->bytes = w->letters = 0;
}

static void add_letter(writer *w, uint32_t c)
{
    unsigned char *to = work.word + w->bytes;
    if (++w->letters > BE_WORD_CHARACTERS)
        return;
    if (c < 0x80) {
        to[0] = (unsigned char)c;
        w->bytes += 1;
    } else if (c < 0x800) {
        to[0] = (unsigned char)(0xC0 | c >> 6);
        to[1] = (unsigned char)(0x80 | (c & 0x3F));
        w->bytes += 2;
    } else if (c < 0x10000) {
        to[0] = (unsigned char)(0xE0 | c >> 12);
        to[1] = (unsigned char)(0x80 | (c >> 6 & 0x3F));
        to[2] = (unsigned char)(0x80 | (c & 0x3F));
        w->bytes += 3;
    } else {
        to[0] = (unsigned char)(0xF0 | c >> 18);
        to[1] = (unsigned char)(0x80 | (c >> 12 & 0x3F));
        to[2] = (unsigned char)(0x80 | (c >> 6 & 0x3F));
        to[3] = (unsigned char)(0x80 | (c & 0x3F));
        w->bytes += 4;
    }
}

static void put(writer *w, uint32_t c, unsigned class)
{
#if BE_CHAT
    int again = c == w->one && c == w->two;
    w->two = w->one;
    w->one = c;
    if (again && (class & (SPACE | DIGIT)) == 0)
        return; /* "soooo!!!!" is "soo!!" */
#endif
    if (class & SPACE) {
        end_word(w);
    } else if (class & (PUNCTUATION | EMOJI)) {
        end_word(w);
        add_letter(w, c);
        end_word(w);
    } else {
        add_letter(w, c);
    }
}

/* One character of the text behind its emoticons. */
static void feed(writer *w, uint32_t c)
{
    unsigned class = class_of(c);
    if (c & SPECIAL) {
        end_word(w);
        add_token(w, (uint16_t)c);
        w->one = w->two = 0;
        return;
    }
    c &= CODE;
    if (class & DROP)
        return;
    if (class & SPACE)
        c = ' ';
#if BE_LOWER
    if (c >= 'A' && c <= 'Z')
        c += 'a' - 'A';
#endif
    if (class & IDEOGRAPH) {
        put(w, ' ', SPACE);
        put(w, c, class);
        put(w, ' ', SPACE);
    } else {
        put(w, c, class);
    }
}

/* --- emoticons ------------------------------------------------------------------------------------------------- */

#if BE_CHAT
/* The tokenizer rewrites one kind after the other, so that each sees the spaces that the kinds before it left. The
 * kinds in that order; a text is read once here, and `last` says which kind stood right before. */
enum { NONE, HEART, BROKEN_HEART, CRYING, FROWNING, SMILING, LAUGHING, WINKING, TONGUE, UNSURE, AMAZED, SARCASTIC };

static const uint32_t stands_for[SARCASTIC] = {0,       0x2764,  0x1F494, 0x1F622, 0x1F641, 0x1F642,
                                               0x1F604, 0x1F609, 0x1F61B, 0x1F615, 0x1F62E};

static int letter_next(reader r)
{
    return (class_of(next_character(&r)) & LETTER) != 0;
}

/* Read on over equal characters; returns the last of them. */
static uint32_t skip(reader *r, uint32_t c)
{
    reader ahead = *r;
    while (next_character(&ahead) == c)
        *r = ahead;
    return c;
}

/* Kind of the emoticon that begins with `first`; the reader and *end (its last character) move to its end. */
static int emoticon(reader *r, uint32_t first, uint32_t before, int last, uint32_t *end)
{
    reader ahead = *r;
    uint32_t c = next_character(&ahead);
    int kind = NONE, eyes = first == ':' || first == '=';
    int joined = before == ':' || before == ';' || (class_of(before) & LETTER) != 0;
    if (first == '<') {
        int broken = c == '/';
        if (broken)
            c = next_character(&ahead);
        if (c != '3')
            return NONE;
        if (!broken)
            skip(&ahead, '3');
        kind = letter_next(ahead) ? NONE : broken ? BROKEN_HEART : HEART;
        joined = 0;
    } else if (first == '/') {
        kind = c == 's' && !letter_next(ahead) ? SARCASTIC : NONE;
        joined = before != 0 && (class_of(before) & SPACE) == 0;
    } else if (eyes || first == ';') {
        int tear = eyes && (c == '\'' || c == 0x2019);
        if (tear)
            c = next_character(&ahead);
        if (c == '-')
            c = next_character(&ahead);
        if (c == '(' && eyes) {
            skip(&ahead, c);
            kind = tear ? CRYING : FROWNING;
        } else if (tear) {
            return NONE;
        } else if (c == ')') {
            skip(&ahead, c);
            kind = eyes ? SMILING : WINKING;
        } else if (!eyes) {
            return NONE;
        } else if (c == 'D') {
            skip(&ahead, c);
            kind = letter_next(ahead) ? NONE : LAUGHING;
        } else if (c == 'p' || c == 'P') {
            kind = letter_next(ahead) ? NONE : TONGUE;
        } else if (c == '/' || c == '\\') {
            reader beyond = ahead;
            kind = letter_next(ahead) || next_character(&beyond) == '/' ? NONE : UNSURE;
        } else if (c == 'o' || c == 'O') {
            kind = letter_next(ahead) ? NONE : AMAZED;
        }
    }
    if (last != NONE && last < kind)
        joined = 0; /* that one is a space by now */
    if (kind == NONE || joined)
        return NONE;
    *r = ahead;
    *end = c;
    return kind;
}
#endif

/* Fills work.tokens; returns how many. */
static int read_text(const char *utf8)
{
    reader r = {0, 0, 0};
    writer w = {0, 0, 0, 0, 0};
    uint32_t c;
#if BE_CHAT
    uint32_t before = 0;
    int last = NONE;
#endif
    r.at = (const unsigned char *)utf8;
    add_token(&w, BE_CLS);
    while (!FULL(&w) && (c = next_character(&r)) != 0) {
#if BE_CHAT
        uint32_t end = c;
        int kind = emoticon(&r, c, before, last, &end);
        if (kind != NONE) {
            const char *tag = "sarcasmtag";
            feed(&w, ' ');
            if (kind == SARCASTIC)
                while (*tag != 0)
                    feed(&w, (uint32_t)*tag++);
            else
                feed(&w, stands_for[kind]);
            feed(&w, ' ');
        } else {
            feed(&w, c);
        }
        before = c & SPECIAL ? 0 : end;
        last = kind;
#else
        feed(&w, c);
#endif
    }
    end_word(&w);
    work.tokens[w.tokens++] = BE_SEP;
    return w.tokens;
}

/* --- numbers --------------------------------------------------------------------------------------------------- */
/* Own exponential and error function: a dozen lines each, and the same bits on every processor. */

static float exponential(float x)
{
    int32_t power;
    uint32_t bits;
    float scale, sum;
    if (x < -87)
        return 0;
    if (x > 88)
        x = 88;
    power = (int32_t)(x * 1.44269504f + (x < 0 ? -0.5f : 0.5f));
    x -= (float)power * 0.693359375f; /* ln 2 in two parts, the first of which multiplies exactly */
    x += (float)power * 2.12194440e-4f;
    sum = 1.0f / 120 + x * (1.0f / 720 + x * (1.0f / 5040));
    sum = 1 + x * (1 + x * (1.0f / 2 + x * (1.0f / 6 + x * (1.0f / 24 + x * sum))));
    bits = (uint32_t)(power + 127) << 23;
    memcpy(&scale, &bits, sizeof scale);
    return sum * scale;
}

/* x times the share of a normal distribution under x (GELU); Abramowitz & Stegun 7.1.26, to 1.5e-7. */
static float gelu(float x)
{
    float z = (x < 0 ? -x : x) * 0.70710678f, t = 1 / (1 + 0.3275911f * z);
    float tail = t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
    tail *= 0.5f * exponential(-z * z);
    return x * (x < 0 ? tail : 1 - tail);
}

static float hyperbolic_tangent(float x)
{
    return 1 - 2 / (exponential(2 * x) + 1);
}

/* --- network --------------------------------------------------------------------------------------------------- */

/* Weights and floats of model.h are read from front to back. */
static const int8_t *weights;
static const float *floats;

/* Every row of x in 255 steps of its own size. */
static void quantise(const float *x, int rows, int width, int8_t *to, float *step)
{
    int row, i;
    for (row = 0; row < rows; row++, x += width, to += width) {
        float most = 0, up;
        for (i = 0; i < width; i++) {
            float size = x[i] < 0 ? -x[i] : x[i];
            most = size > most ? size : most;
        }
        step[row] = most / 127;
        up = most > 0 ? 127 / most : 0;
        for (i = 0; i < width; i++) {
            float value = x[i] * up;
            to[i] = (int8_t)(value < 0 ? value - 0.5f : value + 0.5f);
        }
    }
}

/* Four rows, `width` apart, against the same weights; width is a multiple of 4. */
static void dot4(const int8_t *w, const int8_t *x, int width, int32_t sum[4])
{
    int32_t one = 0, two = 0, three = 0, four = 0;
    const int8_t *end = w + width;
#if defined(__ARM_FEATURE_SIMD32)
#define BE_ADD(to, row)                                                                                                \
    memcpy(&x4, x + (row) * width, 4);                                                                                 \
    to = __smlad(even, __sxtb16((int8x4_t)x4), to);                                                                    \
    to = __smlad(odd, __sxtb16((int8x4_t)(x4 >> 8)), to)
    for (; w < end; w += 4, x += 4) {
        uint32_t x4;
        int16x2_t even, odd;
        memcpy(&x4, w, 4);
        even = __sxtb16((int8x4_t)x4);
        odd = __sxtb16((int8x4_t)(x4 >> 8));
        BE_ADD(one, 0);
        BE_ADD(two, 1);
        BE_ADD(three, 2);
        BE_ADD(four, 3);
    }
#else
    for (; w < end; w++, x++) {
        one += *w * x[0];
        two += *w * x[width];
        three += *w * x[2 * width];
        four += *w * x[3 * width];
    }
#endif
    sum[0] = one;
    sum[1] = two;
    sum[2] = three;
    sum[3] = four;
}

/* to[row][output] (rows `stride` apart) = weights x + bias, or that added to what is there.
 * Weights are the outer loop: they come from slow flash, once a text. */
static void product(const int8_t *x, const float *step, int rows, int inputs, int outputs, float *to, int stride,
                    int add)
{
    int row, output, i;
    for (output = 0; output < outputs; output++, weights += inputs) {
        float scale = floats[output], bias = floats[outputs + output];
        for (row = 0; row < rows; row += 4) {
            int32_t sum[4];
            dot4(weights, x + row * inputs, inputs, sum); /* of rows behind the last one nothing is used */
            for (i = row; i < row + 4 && i < rows; i++) {
                float *result = to + i * stride + output;
                *result = (add ? *result : 0) + ((float)sum[i - row] * (scale * step[i]) + bias);
            }
        }
    }
    floats += 2 * outputs;
}

static void normalise(float *x, int rows)
{
    int row, i;
    for (row = 0; row < rows; row++, x += BE_HIDDEN) {
        float mean = 0, spread = 0;
        for (i = 0; i < BE_HIDDEN; i++)
            mean += x[i];
        mean /= BE_HIDDEN;
        for (i = 0; i < BE_HIDDEN; i++)
            spread += (x[i] - mean) * (x[i] - mean);
        spread = 1 / sqrtf(spread / BE_HIDDEN + BE_NORM_EPSILON);
        for (i = 0; i < BE_HIDDEN; i++)
            x[i] = (x[i] - mean) * spread * floats[i] + floats[BE_HIDDEN + i];
    }
    floats += 2 * BE_HIDDEN;
}

static void softmax(float *x, int n)
{
    float most = x[0], sum = 0;
    int i;
    for (i = 1; i < n; i++)
        most = x[i] > most ? x[i] : most;
    for (i = 0; i < n; i++)
        sum += x[i] = exponential(x[i] - most);
    for (i = 0; i < n; i++)
        x[i] /= sum;
}

/* Context of `asked` tokens in one head, into its columns of work.wide. */
static void attend(int head, int asked, int n)
{
    int from, to, i;
    for (from = 0; from < asked; from++) {
        const float *query = work.heads + from * 3 * BE_HEAD;
        float *context = work.wide + from * BE_HIDDEN + head * BE_HEAD;
        for (to = 0; to < n; to++) {
            const float *key = work.heads + to * 3 * BE_HEAD + BE_HEAD;
            float sum = 0;
            for (i = 0; i < BE_HEAD; i++)
                sum += query[i] * key[i];
            work.attention[to] = sum; /* the weights hold the division by the root of BE_HEAD */
        }
        softmax(work.attention, n);
        memset(context, 0, BE_HEAD * sizeof *context);
        for (to = 0; to < n; to++) {
            const float *value = work.heads + to * 3 * BE_HEAD + 2 * BE_HEAD;
            for (i = 0; i < BE_HEAD; i++)
                context[i] += work.attention[to] * value[i];
        }
    }
}

static void layer(int asked, int n)
{
    int head, part, i;
    quantise(work.hidden, n, BE_HIDDEN, work.narrow, work.narrow_step);
    for (head = 0; head < BE_HEADS; head++) {
        product(work.narrow, work.narrow_step, asked, BE_HIDDEN, BE_HEAD, work.heads, 3 * BE_HEAD, 0);
        product(work.narrow, work.narrow_step, n, BE_HIDDEN, 2 * BE_HEAD, work.heads + BE_HEAD, 3 * BE_HEAD, 0);
        attend(head, asked, n);
    }
    quantise(work.wide, asked, BE_HIDDEN, work.narrow, work.narrow_step);
    product(work.narrow, work.narrow_step, asked, BE_HIDDEN, BE_HIDDEN, work.hidden, BE_HIDDEN, 1);
    normalise(work.hidden, asked);
    quantise(work.hidden, asked, BE_HIDDEN, work.narrow, work.narrow_step);
    for (part = 0; part < BE_SLICES; part++) { /* the feed-forward layer in slices: a quarter of the memory */
        product(work.narrow, work.narrow_step, asked, BE_HIDDEN, BE_SLICE, work.wide, BE_SLICE, 0);
        for (i = 0; i < asked * BE_SLICE; i++)
            work.wide[i] = gelu(work.wide[i]);
        quantise(work.wide, asked, BE_SLICE, work.slice, work.slice_step);
        product(work.slice, work.slice_step, asked, BE_SLICE, BE_HIDDEN, work.hidden, BE_HIDDEN, 1);
    }
    normalise(work.hidden, asked);
}

/* Logits of the first n of work.tokens. */
static void network(int n, float *logits)
{
    int row, i, depth;
    weights = (const int8_t *)be_weights;
    floats = be_floats;
    for (row = 0; row < n; row++) {
        int token = work.tokens[row];
        const int8_t *vector = (const int8_t *)be_embeddings + (uint32_t)token * BE_HIDDEN;
        for (i = 0; i < BE_HIDDEN; i++)
            work.hidden[row * BE_HIDDEN + i] =
                (float)vector[i] * be_embedding_step[token] + be_position[row * BE_HIDDEN + i];
    }
    normalise(work.hidden, n);
    for (depth = 1; depth <= BE_LAYERS; depth++)
        layer(depth == BE_LAYERS ? 1 : n, n); /* of the last layer only [CLS] is asked for */
    quantise(work.hidden, 1, BE_HIDDEN, work.narrow, work.narrow_step);
    product(work.narrow, work.narrow_step, 1, BE_HIDDEN, BE_HIDDEN, work.wide, BE_HIDDEN, 0);
    for (i = 0; i < BE_HIDDEN; i++)
        work.wide[i] = hyperbolic_tangent(work.wide[i]);
    quantise(work.wide, 1, BE_HIDDEN, work.narrow, work.narrow_step);
    product(work.narrow, work.narrow_step, 1, BE_HIDDEN, BE_LABELS, logits, BE_LABELS, 0);
}

/* --- the three functions of bert_emotion.h --------------------------------------------------------------------- */

int bert_emotion_tokens(const char *utf8, uint16_t tokens[BE_TOKENS])
{
    int n = read_text(utf8);
    memcpy(tokens, work.tokens, (unsigned)n * sizeof *tokens);
    return n;
}

int bert_emotion_logits(const char *utf8, float logits[BE_LABELS])
{
    int n = read_text(utf8);
    network(n, logits);
    return n;
}

int bert_emotion_predict(const char *utf8, float scores[BE_LABELS])
{
    int n = read_text(utf8), unknown = 0, best = 0, i;
    for (i = 1; i < n - 1; i++)
        unknown += work.tokens[i] == BE_UNK;
    if (2 * unknown > n - 2 || n == 2) { /* nothing was read: nearly all alike, Neutral a little ahead */
        for (i = 0; i < BE_LABELS; i++) {
            scores[i] = BE_MULTI_LABEL ? 0 : BE_NEUTRAL < 0 ? 1.0f / BE_LABELS : 0.91f / BE_LABELS;
            if (!BE_MULTI_LABEL && i == BE_NEUTRAL)
                scores[best = i] += 0.09f;
        }
        return best;
    }
    network(n, scores);
    for (i = 0; i < BE_LABELS; i++) {
        scores[i] /= BE_TEMPERATURE;
        if (scores[i] > scores[best])
            best = i;
        if (BE_MULTI_LABEL)
            scores[i] = 1 / (1 + exponential(-scores[i]));
    }
    if (!BE_MULTI_LABEL)
        softmax(scores, BE_LABELS);
    return best;
}
