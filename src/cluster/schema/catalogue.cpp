// SPDX-License-Identifier: Apache-2.0
#include "cluster/schema/catalogue.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/text.h"
#include "cluster/schema/data.h"

namespace pila::cluster::schema {

namespace {

struct FormName {
    std::string_view name;
    Form form;
};

constexpr FormName form_names[] = {
    {"string", Form::String},
    {"int32", Form::Int32},
    {"int64", Form::Int64},
    {"double", Form::Double},
    {"bool", Form::Bool},
    {"bytes", Form::Bytes},
    {"quantity", Form::Quantity},
    {"intorstring", Form::IntOrString},
    {"time", Form::Time},
    {"microtime", Form::MicroTime},
    {"fields", Form::Fields},
    {"any", Form::Any},
    {"object", Form::Object},
    {"rawjson", Form::RawJson},
    {"schemaorarray", Form::SchemaOrArray},
    {"schemaorbool", Form::SchemaOrBool},
    {"schemaorstrings", Form::SchemaOrStrings},
};

std::vector<std::string> words(std::string_view text, char separator) {
    std::vector<std::string> found;
    for (auto word : split(text, separator))
        if (!word.empty()) found.emplace_back(word);
    return found;
}

bool take(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

const std::vector<std::string>& usual_verbs() {
    static const std::vector<std::string> verbs = {"create", "delete", "deletecollection", "get",
                                                   "list",   "patch",  "update",           "watch"};
    return verbs;
}

Result<std::uint16_t> field_number(std::string_view text) {
    auto number = parse_uint(text);
    if (!number || *number > 10'000) return Error(Errc::Invalid, fmt::format("\"{}\" is no field number", text));
    return static_cast<std::uint16_t>(*number);
}

}  // namespace

// Two readings: the first makes the types, so that the second can name those that come later.
class CatalogueReader {
public:
    explicit CatalogueReader(Catalogue& catalogue) : catalogue_(catalogue) {}

    Result<void> read(const Catalogue::Text& text, bool names_only) {
        names_only_ = names_only;
        package_.clear();
        type_ = nullptr;
        kind_ = nullptr;
        std::size_t number = 0;
        for (auto line : split(text.content, '\n')) {
            ++number;
            if (trim(line).empty() || line[0] == '#') continue;
            TRY(read_line(line).in(fmt::format("{}:{}", text.file, number)));
        }
        return {};
    }

    Result<void> finish() {
        for (const auto& shape : shapes_) {
            auto* const kind = shape.first;
            const auto& group_version = shape.second;
            auto stored = std::find_if(catalogue_.kinds_.begin(), catalogue_.kinds_.end(), [&](const Kind& other) {
                return other.name == kind->name && other.group_version.text() == group_version;
            });
            if (stored == catalogue_.kinds_.end() || stored->plural != kind->plural)
                return Error(Errc::Invalid, fmt::format("kind {}: stored={} is not known", kind->name, group_version));
            kind->stored = &*stored;
        }
        for (auto& type : catalogue_.types_)
            std::sort(type.fields.begin(), type.fields.end(),
                      [](const Field& left, const Field& right) { return left.name < right.name; });
        return {};
    }

private:
    Result<void> read_line(std::string_view line) {
        bool inner = take(line, "  ");
        std::string_view description;
        auto colon = line.find(" : ");
        bool is_column = inner && line.starts_with("column ");
        if (colon != line.npos && !is_column) {
            description = trim(line.substr(colon + 3));
            line = line.substr(0, colon);
        }
        auto parts = words(line, ' ');
        if (inner) {
            if (names_only_) return {};
            if (is_column && kind_) return column(line.substr(7));
            if (kind_ && parts[0] == "sub") return subresource(parts);
            if (!type_) return Error(Errc::Invalid, "a field outside of a type");
            return field(parts, description);
        }
        type_ = nullptr;
        kind_ = nullptr;
        if (parts[0] == "package" && parts.size() == 4) {
            alias_ = parts[1];
            package_ = parts[2];
            aliases_[alias_] = package_;
            return {};
        }
        if (parts[0] == "group" && parts.size() == 3) {
            group_ = {parts[1] == "core" ? "" : parts[1], parts[2]};
            return {};
        }
        if (parts[0] == "type" && parts.size() >= 2) return type(parts, description);
        if (parts[0] == "kind" && parts.size() >= 5) return names_only_ ? Result<void>() : kind(parts);
        return Error(Errc::Invalid, fmt::format("\"{}\" is not understood", line));
    }

    Result<void> type(const std::vector<std::string>& parts, std::string_view description) {
        auto full_name = package_ + "." + parts[1];
        if (!names_only_) {
            type_ = mutable_type(full_name);
            if (type_->is_object) TRY(object_fields());
            return {};
        }
        if (catalogue_.by_name_.contains(full_name)) return Error(Errc::Invalid, full_name + " is there twice");
        auto& made = catalogue_.types_.emplace_back();
        made.name = parts[1];
        made.full_name = full_name;
        made.description = description;
        for (std::size_t index = 2; index < parts.size(); ++index) {
            if (parts[index] == "atomic")
                made.atomic = true;
            else if (parts[index] == "object")
                made.is_object = true;
            else
                return Error(Errc::Invalid, fmt::format("\"{}\" says nothing of a type", parts[index]));
        }
        catalogue_.by_name_[full_name] = &made;
        return {};
    }

    Result<void> object_fields() {
        TRY(field({"apiVersion", "string", "0"}, "Group and version of the kind, as in apps/v1"));
        TRY(field({"kind", "string", "0"}, "What the object is, as in Deployment"));
        return field({"metadata", "meta.ObjectMeta", "1", "default={}"},
                     "Name, labels and what the server keeps of it");
    }

    Result<void> field(const std::vector<std::string>& parts, std::string_view description) {
        if (parts.size() < 3) return Error(Errc::Invalid, "a field needs a name, a type and a number");
        Field made;
        made.name = parts[0];
        made.description = description;
        std::string_view type_text = parts[1];
        if (type_text.ends_with("?")) {
            made.pointer = true;
            type_text.remove_suffix(1);
        }
        made.node = TRY(node(type_text));
        auto numbers = words(parts[2], '.');
        for (std::size_t index = 0; index < numbers.size() && index < 2; ++index)
            made.number[index] = TRY(field_number(numbers[index]));
        if (numbers.size() == 3) {  // folded twice (rules of webhooks): both messages have number 2
            if (numbers[0] != "2" || numbers[1] != "2")
                return Error(Errc::Invalid, "a field folded twice must be within 2.2");
            made.number[1] = TRY(field_number(numbers[2]));
            made.folded_twice = true;
        }
        for (std::size_t index = 3; index < parts.size(); ++index) TRY(attribute(made, parts[index]));
        type_->fields.push_back(std::move(made));
        return {};
    }

    static Result<void> attribute(Field& field, std::string_view text) {
        if (text == "required")
            field.required = true;
        else if (text == "atomic")
            field.atomic = true;
        else if (text == "merge")
            field.merges = true;
        else if (text == "retainkeys")
            field.retains_keys = true;
        else if (text == "replace")
            field.replaces = true;
        else if (text == "list=set")
            field.list = ListKind::Set;
        else if (text == "list=atomic")
            field.list = ListKind::Atomic;
        else if (take(text, "list=map:")) {
            field.list = ListKind::Map;
            field.list_keys = words(text, ',');
        } else if (take(text, "merge=")) {
            field.merges = true;
            field.merge_key = text;
        } else if (take(text, "default="))
            field.default_json = text;
        else if (take(text, "enum="))
            field.allowed = words(text, ',');
        else
            return Error(Errc::Invalid, fmt::format("\"{}\" says nothing of a field", text));
        return {};
    }

    Result<Node> node(std::string_view text) {
        Node made;
        if (text.starts_with("[]") || text.starts_with("map:")) {
            made.form = text[0] == '[' ? Form::List : Form::Map;
            auto items = TRY(node(text.substr(text[0] == '[' ? 2 : 4)));
            made.items = &catalogue_.nodes_.emplace_back(items);
            return made;
        }
        for (const auto& known : form_names)
            if (known.name == text) {
                made.form = known.form;
                return made;
            }
        auto dot = text.find('.');
        auto package = package_;
        if (dot != text.npos) {
            auto known = aliases_.find(text.substr(0, dot));
            if (known == aliases_.end()) return Error(Errc::Invalid, fmt::format("package of {} is not known", text));
            package = known->second;
            text.remove_prefix(dot + 1);
        }
        made.form = Form::Message;
        made.type = catalogue_.find_type(package + "." + std::string(text));
        if (!made.type) return Error(Errc::Invalid, fmt::format("type {} is not known in {}", text, package));
        return made;
    }

    Result<void> kind(const std::vector<std::string>& parts) {
        Kind made;
        made.group_version = group_;
        made.name = parts[1];
        made.plural = parts[2];
        made.singular = parts[3];
        made.is_namespaced = parts[4] == "namespaced";
        made.verbs = usual_verbs();
        std::string stored;
        for (std::size_t index = 5; index < parts.size(); ++index) {
            std::string_view text = parts[index];
            if (take(text, "short="))
                made.short_names = words(text, ',');
            else if (take(text, "categories="))
                made.categories = words(text, ',');
            else if (take(text, "verbs="))
                made.verbs = words(text, ',');
            else if (take(text, "stored="))
                stored = text;
            else
                return Error(Errc::Invalid, fmt::format("\"{}\" says nothing of a kind", text));
        }
        made.type = catalogue_.find_type(package_ + "." + made.name);
        if (!made.type) return Error(Errc::Invalid, fmt::format("kind {} has no type", made.name));
        kind_ = &catalogue_.kinds_.emplace_back(std::move(made));
        if (!stored.empty()) shapes_.emplace_back(kind_, std::move(stored));
        return {};
    }

    Result<void> subresource(const std::vector<std::string>& parts) {
        if (parts.size() < 3) return Error(Errc::Invalid, "a subresource needs a name and verbs");
        kind_->subresources.push_back({parts[1], words(parts[2], ','), parts.size() > 3 ? parts[3] : ""});
        return {};
    }

    Result<void> column(std::string_view text) {
        auto parts = split(text, '|');
        if (parts.size() != 5) return Error(Errc::Invalid, "a column has five parts");
        Column made;
        made.name = trim(parts[0]);
        made.type = trim(parts[1]);
        made.format = trim(parts[2]) == "-" ? "" : trim(parts[2]);
        made.priority = static_cast<int>(parse_int(trim(parts[3])).value_or(0));
        auto source = trim(parts[4].substr(0, parts[4].find(" # ")));
        if (take(source, "age "))
            made.source = Column::Source::Age;
        else if (take(source, "length "))
            made.source = Column::Source::Length;
        else if (take(source, "@"))
            made.source = Column::Source::Code;
        if (auto or_else = source.find(" or "); or_else != source.npos) {
            made.otherwise = source.substr(or_else + 4);
            source = source.substr(0, or_else);
        }
        if (source.empty() || source[0] == '?') return Error(Errc::Invalid, "a column without a source");
        made.path = source;
        kind_->columns.push_back(std::move(made));
        return {};
    }

    Type* mutable_type(const std::string& full_name) {
        return const_cast<Type*>(catalogue_.find_type(full_name));  // made by this reader
    }

    Catalogue& catalogue_;
    bool names_only_ = true;
    std::string alias_, package_;
    std::map<std::string, std::string, std::less<>> aliases_;
    GroupVersion group_;
    Type* type_ = nullptr;
    Kind* kind_ = nullptr;
    std::vector<std::pair<Kind*, std::string>> shapes_;  // with the group version of the kind that is stored
};

Result<std::unique_ptr<Catalogue>> Catalogue::parse(const std::vector<Text>& texts) {
    auto catalogue = std::make_unique<Catalogue>();
    CatalogueReader reader(*catalogue);
    for (bool names_only : {true, false})
        for (const auto& text : texts) TRY(reader.read(text, names_only));
    TRY(reader.finish());
    return catalogue;
}

const Catalogue& Catalogue::builtin() {
    static const std::unique_ptr<Catalogue> made = [] {
        auto parsed = parse(builtin_texts());
        if (!parsed) {
            fmt::print(stderr, "built-in kinds: {}\n", parsed.error().message());
            std::abort();
        }
        return parsed.take();
    }();
    return *made;
}

const Type* Catalogue::find_type(std::string_view full_name) const {
    auto found = by_name_.find(full_name);
    return found == by_name_.end() ? nullptr : found->second;
}

const Kind* Catalogue::find_kind(const GroupVersion& group_version, std::string_view kind) const {
    for (const auto& known : kinds_)
        if (known.name == kind && known.group_version == group_version) return &known;
    return nullptr;
}

const Kind* Catalogue::find_resource(const GroupVersion& group_version, std::string_view plural) const {
    for (const auto& known : kinds_)
        if (known.plural == plural && known.group_version == group_version) return &known;
    return nullptr;
}

const Type& object_meta() {
    static const Type* const found = Catalogue::builtin().find_type("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
    return *found;
}

}  // namespace pila::cluster::schema
