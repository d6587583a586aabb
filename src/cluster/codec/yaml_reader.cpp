// SPDX-License-Identifier: Apache-2.0
#include <sstream>
#include <streambuf>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/codec/path_internal.h"
#include "cluster/codec/yaml_scalar_internal.h"

namespace pila::cluster::codec {

namespace {

Error yaml_error(int line, std::string_view what, Errc code = Errc::Invalid) {
    return {code, fmt::format("error converting YAML to JSON: yaml: line {}: {}", line, what)};
}

// yaml-cpp 0.7 makes the escapes \\N and \\_ the bytes 85 and A0, which are U+0085 and U+00A0. All else was UTF-8 and
// is: a byte that continues nothing is one of these.
std::string repaired(const std::string& text) {
    std::string made;
    for (std::size_t at = 0; at < text.size();) {
        auto lead = static_cast<unsigned char>(text[at]);
        std::size_t length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        if (lead >= 0x80 && lead < 0xc0) made += '\xc2';
        made.append(text, at, length);
        at += length;
    }
    return made;
}

// Builds the tree from the parser's events. A failure is kept and all later events are ignored: nothing of ours throws
// through the parser.
class TreeBuilder : public YAML::EventHandler {
public:
    TreeBuilder(json::storage_ptr memory, Faults* faults, const Limits& limits)
        : memory_(std::move(memory)), faults_(faults), limits_(limits), result_(memory_) {}

    bool has_content() const { return has_content_; }
    std::optional<Error>& failure() { return failure_; }
    json::value take() { return std::move(result_); }

    const YAML::Mark& begin() const { return begin_; }
    void OnDocumentStart(const YAML::Mark& mark) override { begin_ = mark; }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        if (failure_) return;
        if (expects_name()) return fail(mark, "a name cannot be null");
        place(mark, json::value(nullptr, memory_), anchor, {});
    }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        if (failure_) return;
        auto found = anchor < anchors_.size() && anchors_[anchor].is_done ? &anchors_[anchor] : nullptr;
        if (!found) return fail(mark, "an anchor's value contains itself");
        if (expects_name()) {
            if (!found->value.is_string()) return fail(mark, "a name must be a scalar");
            return set_name(std::string(found->value.get_string()), false);
        }
        // What aliases multiply is bounded like what is written out.
        if (!count(mark, found->nodes, found->bytes)) return;
        place(mark, json::value(found->value, memory_), 0, {});
    }

    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& text) override {
        if (failure_) return;
        scalar(mark, tag, anchor, is_utf8(text) ? text : repaired(text));
    }

    void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        open(mark, json::value(json::array_kind, memory_), anchor);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        open(mark, json::value(json::object_kind, memory_), anchor);
    }
    void OnMapEnd() override { close(); }

private:
    struct Size {
        std::size_t nodes = 0, bytes = 0;
    };
    struct Frame {
        json::value value;
        YAML::Mark mark;
        YAML::anchor_t anchor;
        Size before;  // of the whole document when this began
        std::string name = {};
        bool has_name = false;
        bool is_merge = false;
        std::vector<json::value> merges = {};
    };
    struct Anchor {
        json::value value;
        std::size_t nodes = 0, bytes = 0;
        bool is_done = false;
    };

    void fail(const YAML::Mark& mark, std::string_view what, Errc code = Errc::Invalid) {
        failure_ = yaml_error(mark.line + 1, what, code);
    }

    void scalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& text) {
        if (!is_utf8(text)) return fail(mark, "invalid UTF-8");
        if (!count(mark, 1, text.size())) return;
        if (expects_name()) {
            auto name = resolve_name(tag, text);
            if (!name) return fail(mark, name.error().message());
            if (anchor != 0) keep(anchor, json::value(*name, memory_), 1, name->size());
            return set_name(name.take(), tag == "?" && text == "<<");
        }
        auto value = resolve_scalar(tag, text, memory_);
        if (!value) return fail(mark, value.error().message());
        place(mark, value.take(), anchor, {1, text.size()});
    }

    bool expects_name() const {
        return !frames_.empty() && frames_.back().value.is_object() && !frames_.back().has_name;
    }

    bool count(const YAML::Mark& mark, std::size_t nodes, std::size_t bytes) {
        size_.nodes += nodes;
        size_.bytes += bytes;
        if (size_.nodes <= limits_.max_nodes && size_.bytes <= 4 * limits_.max_bytes) return true;
        fail(mark, "the document, with what its aliases stand for, is too large", Errc::Exhausted);
        return false;
    }

    void set_name(std::string name, bool is_merge) {
        auto& frame = frames_.back();
        frame.name = std::move(name);
        frame.has_name = true;
        frame.is_merge = is_merge;
    }

    void open(const YAML::Mark& mark, json::value value, YAML::anchor_t anchor) {
        if (failure_) return;
        if (expects_name()) return fail(mark, "a name must be a scalar");
        if (frames_.size() >= limits_.max_depth) return fail(mark, "exceeded max depth");
        auto before = size_;
        if (!count(mark, 1, 0)) return;
        frames_.push_back({std::move(value), mark, anchor, before});
    }

    void close() {
        if (failure_) return;
        auto frame = std::move(frames_.back());
        frames_.pop_back();
        if (!frame.merges.empty()) apply_merges(frame);
        place(frame.mark, std::move(frame.value), frame.anchor,
              {size_.nodes - frame.before.nodes, size_.bytes - frame.before.bytes});
    }

    // A complete value goes where its parent waits for it.
    void place(const YAML::Mark& mark, json::value value, YAML::anchor_t anchor, Size size) {
        if (anchor != 0 && !keep_counted(mark, anchor, value, size)) return;
        if (frames_.empty()) {
            has_content_ = !value.is_null();
            result_ = std::move(value);
            return;
        }
        auto& frame = frames_.back();
        if (auto* array = frame.value.if_array()) {
            array->push_back(std::move(value));
            return;
        }
        frame.has_name = false;
        if (frame.is_merge) return merge(mark, frame, std::move(value));
        auto [member, is_new] = frame.value.get_object().emplace(frame.name, nullptr);
        if (!is_new && faults_) add_fault(faults_->duplicate, path_of(frame.name));
        member->value() = std::move(value);
    }

    bool keep_counted(const YAML::Mark& mark, YAML::anchor_t anchor, const json::value& value, Size size) {
        if (!count(mark, size.nodes, size.bytes)) return false;  // the copy
        keep(anchor, json::value(value, memory_), size.nodes, size.bytes);
        return true;
    }

    void keep(YAML::anchor_t anchor, json::value value, std::size_t nodes, std::size_t bytes) {
        if (anchors_.size() <= anchor) anchors_.resize(anchor + 1);
        anchors_[anchor] = {std::move(value), nodes, bytes, true};
    }

    void merge(const YAML::Mark& mark, Frame& frame, json::value value) {
        bool fits = value.is_object();
        if (const auto* array = value.if_array())
            fits = std::all_of(array->begin(), array->end(), [](const json::value& item) { return item.is_object(); });
        if (!fits) return fail(mark, "map merge requires map or sequence of maps as the value");
        frame.merges.push_back(std::move(value));
    }

    // Names that the map has itself hold, then those of the earlier merged maps.
    static void apply_merges(Frame& frame) {
        auto& object = frame.value.get_object();
        auto take_over = [&object](json::object& from) {
            for (auto& member : from) object.emplace(member.key(), std::move(member.value()));
        };
        for (auto& merged : frame.merges) {
            if (auto* map = merged.if_object())
                take_over(*map);
            else
                for (auto& map_of_list : merged.get_array()) take_over(map_of_list.get_object());
        }
    }

    std::string path_of(std::string_view name) const {
        std::string path;
        for (std::size_t at = 0; at + 1 < frames_.size(); ++at) {
            if (const auto* array = frames_[at].value.if_array())
                path += fmt::format("[{}]", array->size());
            else
                path.append(path.empty() ? "" : ".").append(frames_[at].name);
        }
        return path.append(path.empty() ? "" : ".").append(name);
    }

    json::storage_ptr memory_;
    Faults* faults_;
    const Limits& limits_;
    json::value result_;
    YAML::Mark begin_;
    bool has_content_ = false;
    std::optional<Error> failure_;
    std::vector<Frame> frames_;
    std::vector<Anchor> anchors_;
    Size size_;
};

// The parser reads from a stream, which need not copy the text.
class ViewBuffer : public std::streambuf {
public:
    explicit ViewBuffer(std::string_view text) {
        auto* begin = const_cast<char*>(text.data());  // only read
        setg(begin, begin, begin + text.size());
    }
};

Result<json::value> read_documents(std::string_view text, json::storage_ptr memory, Faults* faults,
                                   const Limits& limits) {
    ViewBuffer buffer(text);
    std::istream in(&buffer);
    try {
        YAML::Parser parser(in);
        TreeBuilder first(std::move(memory), faults, limits);
        if (!parser.HandleNextDocument(first)) return json::value(nullptr);
        if (first.failure()) return std::move(*first.failure());
        for (auto last = first.begin();;) {
            TreeBuilder next({}, nullptr, limits);
            if (!parser.HandleNextDocument(next)) return first.take();
            // Where no document can begin, the parser finds empty ones without end.
            if (next.begin().pos == last.pos)
                return yaml_error(last.line + 1, "did not find expected <document start>");
            if (next.failure() || next.has_content())
                return Error(Errc::Invalid, "error converting YAML to JSON: yaml: only one document is allowed here");
            last = next.begin();
        }
    } catch (const YAML::Exception& failure) {
        return yaml_error(failure.mark.line + 1, failure.msg);
    }
}

}  // namespace

Result<json::value> read_yaml(std::string_view text, json::storage_ptr memory, Faults* faults, const Limits& limits) {
    if (text.size() > limits.max_bytes)
        return Error(Errc::Exhausted,
                     fmt::format("a body of {} bytes exceeds the limit of {}", text.size(), limits.max_bytes));
    if (!is_utf8(text)) return Error(Errc::Invalid, "error converting YAML to JSON: yaml: invalid UTF-8");
    auto is_control = [](char c) {
        return (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
    };
    if (std::any_of(text.begin(), text.end(), is_control))
        return Error(Errc::Invalid, "error converting YAML to JSON: yaml: control characters are not allowed");
    return read_documents(text, std::move(memory), faults, limits);
}

}  // namespace pila::cluster::codec
