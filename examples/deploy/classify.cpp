// Prints the class of photographs: classify MODEL.camera.onnx PHOTOGRAPH.jpg...
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include <jpeglib.h>
#include <onnxruntime_cxx_api.h>

struct Image {
    int width, height, channels;
    std::vector<uint8_t> pixels;  // height x width x channels
};

// The EXIF orientation, 1 to 8; 1 where there is none. Of the TIFF in an APP1 segment only the first directory is read.
int orientation(const jpeg_decompress_struct& info) {
    for (auto marker = info.marker_list; marker; marker = marker->next) {
        const uint8_t* tiff = marker->data + 6;
        const size_t size = marker->data_length < 6 ? 0 : marker->data_length - 6;
        if (size < 14 || std::memcmp(marker->data, "Exif\0", 6)) continue;
        auto number = [&](size_t at, int bytes) {
            size_t value = 0;
            for (int i = 0; i < bytes && at + bytes <= size; ++i)
                value = value << 8 | tiff[tiff[0] == 'M' ? at + i : at + bytes - 1 - i];
            return value;
        };
        const size_t directory = number(4, 4);
        for (size_t i = 0; i < number(directory, 2); ++i) {
            const size_t entry = directory + 2 + 12 * i, value = number(entry + 8, 2);
            if (number(entry, 2) == 0x0112 && value >= 1 && value <= 8) return static_cast<int>(value);
        }
    }
    return 1;
}

Image upright(const Image& stored, int orientation) {
    const bool swapped = orientation >= 5;
    const bool across = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    const bool down = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    Image turned = stored;
    if (swapped) std::swap(turned.width, turned.height);
    uint8_t* pixel = turned.pixels.data();
    for (int y = 0; y < turned.height; ++y)
        for (int x = 0; x < turned.width; ++x, pixel += stored.channels) {
            const int column = swapped ? y : x, row = swapped ? x : y;
            const int u = across ? stored.width - 1 - column : column, v = down ? stored.height - 1 - row : row;
            std::memcpy(pixel, &stored.pixels[(size_t(v) * stored.width + u) * stored.channels], stored.channels);
        }
    return turned;
}

Image read_jpeg(const char* path, int channels) {
    std::FILE* file = std::fopen(path, "rb");
    if (!file) throw std::runtime_error(std::string(path) + ": cannot be opened");
    jpeg_error_mgr errors;  // libjpeg's own: prints what is wrong with the file, and ends the program
    jpeg_decompress_struct info;
    info.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&info);
    jpeg_stdio_src(&info, file);
    jpeg_save_markers(&info, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&info, TRUE);
    info.out_color_space = channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_start_decompress(&info);
    Image image{int(info.output_width), int(info.output_height), channels, {}};
    image.pixels.resize(size_t(image.width) * image.height * channels);
    while (info.output_scanline < info.output_height) {
        JSAMPROW row = &image.pixels[size_t(info.output_scanline) * image.width * channels];
        jpeg_read_scanlines(&info, &row, 1);
    }
    image = upright(image, orientation(info));
    jpeg_finish_decompress(&info);
    jpeg_destroy_decompress(&info);
    std::fclose(file);
    return image;
}

// The strings of a JSON array.
std::vector<std::string> strings(const std::string& json) {
    std::vector<std::string> found;
    bool inside = false;
    for (size_t i = 0; i < json.size(); ++i) {
        if (json[i] == '"' && (inside = !inside))
            found.emplace_back();
        else if (inside)
            found.back() += json[i] == '\\' ? json[++i] : json[i];
    }
    return found;
}

int main(int count, char** words) try {
    if (count < 3) throw std::runtime_error("usage: classify MODEL.camera.onnx PHOTOGRAPH.jpg...");
    Ort::Env env(ORT_LOGGING_LEVEL_WARNING);
    Ort::Session session(env, words[1], Ort::SessionOptions());
    Ort::AllocatorWithDefaultOptions allocator;
    const auto metadata = session.GetModelMetadata();
    const auto classes = strings(metadata.LookupCustomMetadataMapAllocated("classes", allocator).get());
    // Batch, height, width, channels.
    const auto axes = session.GetInputTypeInfo(0).GetTensorTypeAndShapeInfo().GetShape();
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    const char *inputs[] = {"image"}, *outputs[] = {"logits"};
    for (int i = 2; i < count; ++i) {
        Image image = read_jpeg(words[i], int(axes[3]));
        const int64_t shape[] = {1, image.height, image.width, image.channels};
        auto& pixels = image.pixels;
        auto input = Ort::Value::CreateTensor<uint8_t>(memory, pixels.data(), pixels.size(), shape, 4);
        auto found = session.Run(Ort::RunOptions(), inputs, &input, 1, outputs, 1);
        const float* logits = found[0].GetTensorData<float>();
        const size_t best = std::max_element(logits, logits + classes.size()) - logits;
        float sum = 0;
        for (size_t k = 0; k < classes.size(); ++k) sum += std::exp(logits[k] - logits[best]);
        std::printf("%s: %s %.1f%%\n", words[i], classes[best].c_str(), 100 / sum);
    }
} catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
