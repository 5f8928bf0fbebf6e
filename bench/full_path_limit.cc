#include "bench/full_path_limit.h"

#include <libdeflate.h>

#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include <gmime/gmime.h>
#include <pugixml.hpp>

namespace dmarcate::bench {
namespace {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* p) const {
    Free(p);
  }
};
template <typename T>
using GObjectPtr = std::unique_ptr<T, Freer<g_object_unref>>;

uint32_t Little(std::string_view bytes, size_t at, size_t size) {
  uint32_t out = 0;
  for (size_t i = 0; i < size; ++i) {
    out |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
  }
  return out;
}

class Inflater {
 public:
  // gzip says its size in its last four bytes, zip in its directory; both are believed here.
  bool Gzip(std::string_view in, std::string* out) {
    out->resize(Little(in, in.size() - 4, 4) + 1);
    size_t size = 0;
    const auto result = libdeflate_gzip_decompress(decompressor_.get(), in.data(), in.size(),
                                                   out->data(), out->size(), &size);
    out->resize(size);
    return result == LIBDEFLATE_SUCCESS;
  }
  // The first member.
  bool Zip(std::string_view in, std::string* out) {
    const size_t end = in.rfind("PK\5\6");
    if (end == std::string_view::npos) return false;
    const size_t entry = Little(in, end + 16, 4);
    const size_t packed = Little(in, entry + 20, 4), local = Little(in, entry + 42, 4);
    out->resize(Little(in, entry + 24, 4));
    const size_t data = local + 30 + Little(in, local + 26, 2) + Little(in, local + 28, 2);
    if (Little(in, entry + 10, 2) == 0) {
      out->assign(in.substr(data, packed));
      return true;
    }
    size_t size = 0;
    const auto result = libdeflate_deflate_decompress(decompressor_.get(), in.data() + data, packed,
                                                      out->data(), out->size(), &size);
    return result == LIBDEFLATE_SUCCESS;
  }

 private:
  std::unique_ptr<libdeflate_decompressor, Freer<libdeflate_free_decompressor>> decompressor_{
      libdeflate_alloc_decompressor()};
};

void CountDocument(std::string* document, Counted* counted) {
  pugi::xml_document xml;
  if (!xml.load_buffer_inplace(document->data(), document->size(),
                               pugi::parse_minimal | pugi::parse_escapes)) {
    return;
  }
  ++counted->reports;
  for (const pugi::xml_node record : xml.child("feedback").children("record")) {
    ++counted->records;
    counted->messages += record.child("row").child("count").text().as_llong();
  }
}

void CountPart(GMimeObject* /*parent*/, GMimeObject* part, void* data) {
  if (!GMIME_IS_PART(part)) return;
  GMimeDataWrapper* content = g_mime_part_get_content(GMIME_PART(part));
  if (content == nullptr) return;
  const GObjectPtr<GMimeStream> stream(g_mime_stream_mem_new());
  g_mime_data_wrapper_write_to_stream(content, stream.get());
  const GByteArray* bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream.get()));
  const std::string_view view(reinterpret_cast<const char*>(bytes->data), bytes->len);
  static Inflater inflater;
  static std::string document;
  const bool read = view.starts_with("\x1f\x8b") ? inflater.Gzip(view, &document)
                    : view.starts_with("PK\3\4") ? inflater.Zip(view, &document)
                                                 : false;
  if (!read && view.find("<feedback") == std::string_view::npos) return;
  if (!read) document.assign(view);
  CountDocument(&document, static_cast<Counted*>(data));
}

}  // namespace

void CountByLibraries(const std::string& mail, Counted* counted) {
  static const bool initialized = (g_mime_init(), true);
  static_cast<void>(initialized);
  const GObjectPtr<GMimeStream> stream(g_mime_stream_mem_new_with_buffer(mail.data(), mail.size()));
  const GObjectPtr<GMimeParser> parser(g_mime_parser_new_with_stream(stream.get()));
  const GObjectPtr<GMimeMessage> message(g_mime_parser_construct_message(parser.get(), nullptr));
  if (message != nullptr) g_mime_message_foreach(message.get(), CountPart, counted);
}

}  // namespace dmarcate::bench
