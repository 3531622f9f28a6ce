#include "edgepose_preprocess.h"

#include <math.h>

#define SIDE EDGEPOSE_INPUT_SIDE
/* A region that reaches beyond its frame may have this many times its pixels, or this many. */
#define MAX_REGION_FRAMES 16.0
#define MIN_PADDED_PIXELS 4194304.0

static int larger(int one, int other)
{
    return one > other ? one : other;
}

static int smaller(int one, int other)
{
    return one < other ? one : other;
}

/* To the nearest, halves to even: for values of at most some thousand. */
static int round_even(double value)
{
    const int floor_ = (int)floor(value);
    const double rest = value - floor_;
    if (rest > 0.5 || (rest == 0.5 && floor_ % 2 != 0))
        return floor_ + 1;
    return floor_;
}

/* The longest centred part of [low, low + length) that can be halved as often as its length allows. */
static void make_multiple(int *low, int *length, int halvings)
{
    int bits = 0, factor, rest;
    while (*length >> bits > 1)
        bits++;
    factor = 1 << smaller(halvings, bits);
    rest = *length % factor;
    *low += rest / 2;
    *length -= rest;
}

int edgepose_place(int width, int height, const edgepose_region *region, edgepose_transform *transform)
{
    int left = 0, top = 0, right = width, bottom = height, halvings = 0;
    double ratio, scale;
    if (width < 1 || height < 1 || width > 65535 || height > 65535)
        return EDGEPOSE_BAD_FRAME;
    if (region != NULL) {
        const double limit = 1e9;
        if (!(fabs(region->x) < limit && fabs(region->y) < limit && region->width > 0 && region->width < limit &&
              region->height > 0 && region->height < limit))
            return EDGEPOSE_BAD_REGION;
        left = (int)floor(region->x + 0.5);
        top = (int)floor(region->y + 0.5);
        right = larger(left + 1, (int)floor(region->x + region->width + 0.5));
        bottom = larger(top + 1, (int)floor(region->y + region->height + 0.5));
        if (right <= 0 || bottom <= 0 || left >= width || top >= height)
            return EDGEPOSE_BAD_REGION;
        if (left < 0 || top < 0 || right > width || bottom > height) {
            const double area = (double)(right - left) * (double)(bottom - top);
            const double frames = MAX_REGION_FRAMES * width * height;
            if (area > (frames > MIN_PADDED_PIXELS ? frames : MIN_PADDED_PIXELS))
                return EDGEPOSE_BAD_REGION;
        }
    }
    transform->left = left;
    transform->top = top;
    transform->width = right - left;
    transform->height = bottom - top;
    for (ratio = larger(right - left, bottom - top) / (double)SIDE; ratio >= 4.0; ratio /= 2)
        halvings++;
    make_multiple(&transform->left, &transform->width, halvings);
    make_multiple(&transform->top, &transform->height, halvings);
    scale = SIDE / (double)larger(transform->width, transform->height);
    transform->resized_width = larger(1, round_even(transform->width * scale));
    transform->resized_height = larger(1, round_even(transform->height * scale));
    transform->pad_x = (SIDE - transform->resized_width) / 2;
    transform->pad_y = (SIDE - transform->resized_height) / 2;
    transform->visible_left = larger(transform->left, 0);
    transform->visible_top = larger(transform->top, 0);
    transform->visible_right = smaller(transform->left + transform->width, width);
    transform->visible_bottom = smaller(transform->top + transform->height, height);
    return EDGEPOSE_OK;
}

static void put(edgepose_input *tensor, int x, int y, int channel, uint8_t byte)
{
    tensor[(y * SIDE + x) * EDGEPOSE_INPUT_PIXEL_STRIDE + channel * EDGEPOSE_INPUT_CHANNEL_STRIDE] =
        edgepose_lut[channel][byte];
}

static void blacken(edgepose_input *tensor)
{
    int y, x, channel;
    for (y = 0; y < SIDE; y++)
        for (x = 0; x < SIDE; x++)
            for (channel = 0; channel < 3; channel++)
                put(tensor, x, y, channel, 0);
}

void edgepose_fill(const uint8_t *rgb, size_t row_bytes, const edgepose_transform *transform, edgepose_input *tensor)
{
    int y, x, channel;
    blacken(tensor);
    for (y = 0; y < transform->resized_height; y++)
        for (x = 0; x < transform->resized_width; x++)
            for (channel = 0; channel < 3; channel++)
                put(tensor, x + transform->pad_x, y + transform->pad_y, channel,
                    rgb[(size_t)y * row_bytes + (size_t)(3 * x + channel)]);
}

/* A pixel of the resized region: the pixels around its centre under a triangle; black where there is no frame. */
static void sample(const edgepose_frame *frame, const edgepose_transform *transform, double x, double y,
                   double reach_x, double reach_y, uint8_t rgb[3])
{
    const int first_x = larger((int)ceil(x - reach_x - 0.5), 0);
    const int last_x = smaller((int)floor(x + reach_x - 0.5), transform->width - 1);
    const int first_y = larger((int)ceil(y - reach_y - 0.5), 0);
    const int last_y = smaller((int)floor(y + reach_y - 0.5), transform->height - 1);
    double red = 0.0, green = 0.0, blue = 0.0, total = 0.0;
    int row, column;
    for (row = first_y; row <= last_y; row++) {
        const double row_weight = 1.0 - fabs(row + 0.5 - y) / reach_y;
        const int frame_row = row + transform->top;
        for (column = first_x; column <= last_x; column++) {
            const double weight = row_weight * (1.0 - fabs(column + 0.5 - x) / reach_x);
            const int frame_column = column + transform->left;
            total += weight;
            if (frame_row >= 0 && frame_row < frame->height && frame_column >= 0 && frame_column < frame->width) {
                const uint8_t *pixel = frame->pixels + (size_t)frame_row * frame->row_bytes +
                                       (size_t)frame_column * (size_t)frame->pixel_bytes;
                red += weight * pixel[frame->red];
                green += weight * pixel[frame->green];
                blue += weight * pixel[frame->blue];
            }
        }
    }
    if (total > 0.0) {
        rgb[0] = (uint8_t)(red / total + 0.5);
        rgb[1] = (uint8_t)(green / total + 0.5);
        rgb[2] = (uint8_t)(blue / total + 0.5);
    } else {
        rgb[0] = rgb[1] = rgb[2] = 0;
    }
}

/* Half the base of a triangle with the variance of the Python half: a Gaussian of (ratio - 1) / 2, then bilinear. */
static double reach_of(double ratio)
{
    const double deviation = ratio > 1.0 ? (ratio - 1.0) / 2 : 0.0;
    return sqrt(6.0 * deviation * deviation + 1.0);
}

int edgepose_prepare(const edgepose_frame *frame, const edgepose_region *region, edgepose_input *tensor,
                     edgepose_transform *transform)
{
    double ratio_x, ratio_y, reach_x, reach_y;
    int y, x, channel;
    const int status = edgepose_place(frame->width, frame->height, region, transform);
    if (status != EDGEPOSE_OK)
        return status;
    ratio_x = transform->width / (double)transform->resized_width;
    ratio_y = transform->height / (double)transform->resized_height;
    reach_x = reach_of(ratio_x);
    reach_y = reach_of(ratio_y);
    blacken(tensor);
    for (y = 0; y < transform->resized_height; y++)
        for (x = 0; x < transform->resized_width; x++) {
            uint8_t rgb[3];
            sample(frame, transform, (x + 0.5) * ratio_x, (y + 0.5) * ratio_y, reach_x, reach_y, rgb);
            for (channel = 0; channel < 3; channel++)
                put(tensor, x + transform->pad_x, y + transform->pad_y, channel, rgb[channel]);
        }
    return EDGEPOSE_OK;
}

static double within(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

void edgepose_to_frame(const edgepose_transform *transform, edgepose_joint joints[EDGEPOSE_JOINTS])
{
    const double map_x = SIDE / (double)EDGEPOSE_FULL_WIDTH, map_y = SIDE / (double)EDGEPOSE_FULL_HEIGHT;
    int joint;
    for (joint = 0; joint < EDGEPOSE_JOINTS; joint++) {
        double x = (double)joints[joint].x * map_x - transform->pad_x;
        double y = (double)joints[joint].y * map_y - transform->pad_y;
        x = x * (transform->width / (double)transform->resized_width) + transform->left;
        y = y * (transform->height / (double)transform->resized_height) + transform->top;
        joints[joint].x = (float)within(x, transform->visible_left, transform->visible_right);
        joints[joint].y = (float)within(y, transform->visible_top, transform->visible_bottom);
    }
}
