#include "edgepose_decoder.h"

#include <math.h>

#define CELLS_Y EDGEPOSE_HEATMAP_HEIGHT
#define CELLS_X EDGEPOSE_HEATMAP_WIDTH
#define BLOCK EDGEPOSE_UPSAMPLING
#define MARGIN EDGEPOSE_WINDOW_MARGIN
#define WINDOW (BLOCK + 2 * MARGIN)

/* A channel with more cells than this as high as its peak is flat, and not searched by windows. */
#define MAX_WINDOWS 64
/* Relative differences of values: up to the first, pixels are equal; up to the second, float32 may swap them. */
#define EQUAL 1e-12
#define CLOSE 6e-7

#if EDGEPOSE_HEATMAP_INT8
#define INTEGRAL 1
#else
#define INTEGRAL 0
#endif

static float value_at(const edgepose_heatmap *heatmaps, int joint, int row, int column)
{
    const edgepose_heatmap value = heatmaps[(row * CELLS_X + column) * EDGEPOSE_HEATMAP_CELL_STRIDE +
                                            joint * EDGEPOSE_HEATMAP_JOINT_STRIDE];
#if EDGEPOSE_HEATMAP_INT8
    return (float)(value - EDGEPOSE_HEATMAP_ZERO_POINT);
#else
    return value;
#endif
}

#if EDGEPOSE_UPSAMPLING > 1

static int larger(int one, int other)
{
    return one > other ? one : other;
}

static int smaller(int one, int other)
{
    return one < other ? one : other;
}

/* The pixels of one cell's window, as far as they lie on the map. */
typedef struct {
    int top, bottom, left, right;
    double values[WINDOW][WINDOW];
} window_values;

static void evaluate(const edgepose_heatmap *heatmaps, int joint, int row, int column, window_values *window)
{
    int y, x, tap;
    window->top = larger(row * BLOCK - MARGIN, 0);
    window->bottom = smaller((row + 1) * BLOCK + MARGIN, EDGEPOSE_FULL_HEIGHT);
    window->left = larger(column * BLOCK - MARGIN, 0);
    window->right = smaller((column + 1) * BLOCK + MARGIN, EDGEPOSE_FULL_WIDTH);
    {
        const int first = edgepose_column_first[window->left];
        const int last = smaller(edgepose_column_first[window->right - 1] + EDGEPOSE_TAPS, CELLS_X);
        for (y = window->top; y < window->bottom; y++) {
            const int from = edgepose_row_first[y];
            double sums[CELLS_X];
            for (x = first; x < last; x++) {
                double sum = 0.0;
                for (tap = 0; tap < EDGEPOSE_TAPS && from + tap < CELLS_Y; tap++)
                    sum += edgepose_row_weights[y][tap] * (double)value_at(heatmaps, joint, from + tap, x);
                sums[x] = sum;
            }
            for (x = window->left; x < window->right; x++) {
                const int beginning = edgepose_column_first[x];
                double sum = 0.0;
                for (tap = 0; tap < EDGEPOSE_TAPS && beginning + tap < CELLS_X; tap++)
                    sum += edgepose_column_weights[x][tap] * sums[beginning + tap];
                window->values[y - window->top][x - window->left] = sum;
            }
        }
    }
}

static double highest_of(const window_values *window)
{
    double highest = window->values[0][0];
    int y, x;
    for (y = 0; y < window->bottom - window->top; y++)
        for (x = 0; x < window->right - window->left; x++)
            if (window->values[y][x] > highest)
                highest = window->values[y][x];
    return highest;
}

/* The row-major index of the peak, and its value; -1 where float32 arithmetic has to decide. */
static long search(const edgepose_heatmap *heatmaps, int joint, double *score)
{
    window_values window;
    int row, column, top_row = 0, top_column = 0, windows = 0;
    float largest = value_at(heatmaps, joint, 0, 0), needed;
    double best;
    long first_tie = -1, only = -1;

    for (row = 0; row < CELLS_Y; row++)
        for (column = 0; column < CELLS_X; column++)
            if (value_at(heatmaps, joint, row, column) > largest) {
                largest = value_at(heatmaps, joint, row, column);
                top_row = row;
                top_column = column;
            }
    if (!(largest > 0.0f))
        return -1;
    evaluate(heatmaps, joint, top_row, top_column, &window);
    best = highest_of(&window);
    {
        /* A pixel outside the windows of all cells that reach this does not exceed the one just found. */
        const double bound = (best - (double)(EDGEPOSE_WINDOW_SHARE * largest)) / EDGEPOSE_WINDOW_REST;
        if (!(bound > 0.0))
            return -1;
        needed = (float)bound;
    }
    for (row = 0; row < CELLS_Y; row++)
        for (column = 0; column < CELLS_X; column++)
            if (value_at(heatmaps, joint, row, column) >= needed) {
                double highest;
                if (++windows > MAX_WINDOWS)
                    return -1;
                evaluate(heatmaps, joint, row, column, &window);
                highest = highest_of(&window);
                if (highest > best)
                    best = highest;
            }

    for (row = 0; row < CELLS_Y; row++)
        for (column = 0; column < CELLS_X; column++) {
            int y, x;
            if (value_at(heatmaps, joint, row, column) < needed)
                continue;
            evaluate(heatmaps, joint, row, column, &window);
            for (y = window.top; y < window.bottom; y++)
                for (x = window.left; x < window.right; x++) {
                    const double value = window.values[y - window.top][x - window.left];
                    const long pixel = (long)y * EDGEPOSE_FULL_WIDTH + x;
                    if (value < best * (1 - CLOSE))
                        continue;
                    if (only == -1)
                        only = pixel;
                    else if (only != pixel)
                        only = -2;
                    if (value >= best * (1 - EQUAL)) {
                        if (first_tie < 0 || pixel < first_tie)
                            first_tie = pixel;
                    } else if (INTEGRAL) {
                        only = -3;
                    }
                    if (only == -3 || (only == -2 && !INTEGRAL))
                        return -1;
                }
        }
    *score = best;
    return first_tie;
}

/* For an even and an odd pixel of a stride-2 transposed convolution: offsets and weights of its two inputs. */
static const int OFFSETS[2][2] = {{0, -1}, {1, 0}};
static const double WEIGHTS[2][2] = {{0.75, 0.25}, {0.25, 0.75}};

/* [height, width] to twice that, in the arithmetic of the official network: fused multiply-add in float32. */
static void double_map(const float *from, int height, int width, float *to)
{
    int y, x, i, j;
    for (y = 0; y < 2 * height; y++)
        for (x = 0; x < 2 * width; x++) {
            float total = 0.0f;
            for (i = 0; i < 2; i++)
                for (j = 0; j < 2; j++) {
                    const int row = y / 2 + OFFSETS[y % 2][i], column = x / 2 + OFFSETS[x % 2][j];
                    const int inside = row >= 0 && row < height && column >= 0 && column < width;
                    const double value = inside ? (double)from[row * width + column] : 0.0;
                    /* Exact in double, rounded once. */
                    total = (float)(value * (WEIGHTS[y % 2][i] * WEIGHTS[x % 2][j]) + (double)total);
                }
            to[y * 2 * width + x] = total;
        }
}

#endif /* EDGEPOSE_UPSAMPLING > 1 */

#if EDGEPOSE_SMOOTHED

static int reflected(int position, int length)
{
    const int period = 2 * length;
    position = (position % period + period) % period;
    return position < length ? position : period - 1 - position;
}

/* The truncated Gaussian along one axis: in double within the axis, rounded to float32 after it. */
static void smooth_axis(const float *from, float *to, int along_rows)
{
    int y, x, k;
    for (y = 0; y < EDGEPOSE_FULL_HEIGHT; y++)
        for (x = 0; x < EDGEPOSE_FULL_WIDTH; x++) {
            double sum = edgepose_kernel[EDGEPOSE_KERNEL_RADIUS] * (double)from[y * EDGEPOSE_FULL_WIDTH + x];
            for (k = 1; k <= EDGEPOSE_KERNEL_RADIUS; k++) {
                double before, after;
                if (along_rows) {
                    before = from[reflected(y - k, EDGEPOSE_FULL_HEIGHT) * EDGEPOSE_FULL_WIDTH + x];
                    after = from[reflected(y + k, EDGEPOSE_FULL_HEIGHT) * EDGEPOSE_FULL_WIDTH + x];
                } else {
                    before = from[y * EDGEPOSE_FULL_WIDTH + reflected(x - k, EDGEPOSE_FULL_WIDTH)];
                    after = from[y * EDGEPOSE_FULL_WIDTH + reflected(x + k, EDGEPOSE_FULL_WIDTH)];
                }
                sum += edgepose_kernel[EDGEPOSE_KERNEL_RADIUS + k] * (before + after);
            }
            to[y * EDGEPOSE_FULL_WIDTH + x] = (float)sum;
        }
}

#endif

/* The peak of the map computed in full, in the official arithmetic. */
static long search_full_map(const edgepose_heatmap *heatmaps, int joint, edgepose_workspace *workspace, double *score)
{
    float *map = workspace->maps[0], *other = workspace->maps[1], *swap;
    int height = CELLS_Y, width = CELLS_X, row, column;
    long pixel, best = 0;
    for (row = 0; row < CELLS_Y; row++)
        for (column = 0; column < CELLS_X; column++)
            map[row * CELLS_X + column] = value_at(heatmaps, joint, row, column);
#if EDGEPOSE_UPSAMPLING > 1
    for (; height < EDGEPOSE_FULL_HEIGHT; height *= 2, width *= 2) {
        double_map(map, height, width, other);
        swap = map;
        map = other;
        other = swap;
    }
#endif
#if EDGEPOSE_SMOOTHED
    smooth_axis(map, other, 1);
    smooth_axis(other, map, 0);
#endif
    (void)swap;
    (void)other;
    for (pixel = 1; pixel < (long)height * width; pixel++)
        if (map[pixel] > map[best])
            best = pixel;
    *score = (double)map[best];
    return best;
}

int edgepose_decode(const edgepose_heatmap *heatmaps, edgepose_workspace *workspace,
                    edgepose_joint joints[EDGEPOSE_JOINTS])
{
    int joint;
#if !EDGEPOSE_HEATMAP_INT8
    long index;
    for (index = 0; index < (long)CELLS_Y * CELLS_X * EDGEPOSE_JOINTS; index++)
        if (!isfinite(heatmaps[index]))
            return EDGEPOSE_NOT_FINITE;
#endif
    for (joint = 0; joint < EDGEPOSE_JOINTS; joint++) {
        double score = 0.0;
        long pixel = -1;
#if EDGEPOSE_UPSAMPLING > 1
        pixel = search(heatmaps, joint, &score);
#endif
        if (pixel < 0)
            pixel = search_full_map(heatmaps, joint, workspace, &score);
        joints[joint].x = (float)(pixel % EDGEPOSE_FULL_WIDTH) + 0.5f;
        joints[joint].y = (float)(pixel / EDGEPOSE_FULL_WIDTH) + 0.5f;
#if EDGEPOSE_HEATMAP_INT8
        joints[joint].score = (float)score * EDGEPOSE_HEATMAP_SCALE;
#else
        joints[joint].score = (float)score;
#endif
    }
    return EDGEPOSE_OK;
}
