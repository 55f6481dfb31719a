//! What `src/ffi` declares for C, read from the sources as cbindgen reads them, with what signatures in C do not tell.

use std::fs;
use std::path::Path;

use syn::parse::ParseStream;
use syn::{
    Attribute, Expr, ExprClosure, FnArg, GenericArgument, Item, ItemConst, ItemFn, ItemImpl,
    ItemType, Lit, Macro, Meta, Pat, PathArguments, ReturnType, Stmt, Token, Type,
};

use crate::Result;
use crate::docs::Docs;

/// Everything that C sees, in the order of the modules.
#[derive(Default)]
pub(crate) struct Source {
    pub(crate) constants: Vec<Constant>,
    pub(crate) handles: Vec<Handle>,
    pub(crate) callbacks: Vec<Function>,
    pub(crate) functions: Vec<Function>,
}

pub(crate) struct Constant {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) value: i128,
    /// From a line `cbindgen:enum=NAME`, where the name of the constant does not tell it.
    pub(crate) of: Option<String>,
    pub(crate) docs: Docs,
}

pub(crate) struct Handle {
    pub(crate) name: String,
    pub(crate) docs: Docs,
    /// `Owned`, `Shared` or `Lent`: see `src/ffi/values/handle.rs`.
    pub(crate) held: String,
}

/// A function, or the type of a callback.
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) docs: Docs,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) returns: String,
}

pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) kind: String,
    /// Whether NULL is a value that it takes.
    pub(crate) optional: bool,
}

impl Source {
    /// Reads a module and those that it declares.
    pub(crate) fn read(module: &Path) -> Result<Self> {
        let mut source = Self::default();
        source.read_module(module)?;
        Ok(source)
    }

    fn read_module(&mut self, file: &Path) -> Result<()> {
        let about = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let text = fs::read_to_string(file).map_err(|error| about(&error))?;
        let items = syn::parse_file(&text).map_err(|error| about(&error))?.items;
        let mut held = Vec::new();
        for item in &items {
            match item {
                Item::Const(item) if is_public(&item.vis) => self.constants.push(constant(item)?),
                Item::Type(item) if is_public(&item.vis) => self.callbacks.extend(callback(item)?),
                Item::Fn(item) if is_exported(item) => self.functions.push(function(item)?),
                Item::Impl(item) => held.extend(holding(item)),
                _ => {}
            }
        }
        for item in &items {
            let Item::Struct(item) = item else { continue };
            let name = item.ident.to_string();
            if let Some((_, held)) = held.iter().find(|(of, _)| *of == name) {
                let docs = Docs::read(&lines(&item.attrs));
                self.handles.push(Handle { name, docs, held: held.clone() });
            }
        }
        for item in &items {
            if let Item::Mod(item) = item
                && item.content.is_none()
                && !item.attrs.iter().any(|it| it.path().is_ident("cfg"))
            {
                self.read_module(&file_of(file, &item.ident.to_string()))?;
            }
        }
        Ok(())
    }
}

/// Where `mod name;` of a folder's `mod.rs` is.
fn file_of(parent: &Path, name: &str) -> std::path::PathBuf {
    let file = parent.with_file_name(format!("{name}.rs"));
    if file.is_file() { file } else { parent.with_file_name(name).join("mod.rs") }
}

fn is_public(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Public(_))
}

fn is_exported(item: &ItemFn) -> bool {
    let named =
        |it: &Attribute| matches!(&it.meta, Meta::List(list) if list.path.is_ident("unsafe"));
    item.attrs.iter().any(named)
}

/// The lines of a documentation comment.
fn lines(attributes: &[Attribute]) -> Vec<String> {
    let line = |attribute: &Attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(text) => match &text.lit {
                Lit::Str(text) => Some(text.value().trim_end().to_owned()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    let text = |line: String| line.strip_prefix(' ').map_or_else(|| line.clone(), str::to_owned);
    attributes.iter().filter_map(line).map(text).collect()
}

fn constant(item: &ItemConst) -> Result<Constant> {
    let name = item.ident.to_string();
    let mut lines = lines(&item.attrs);
    let of = lines.iter().find_map(|line| line.strip_prefix("cbindgen:enum=").map(str::to_owned));
    lines.retain(|line| !line.starts_with("cbindgen:"));
    let value = match &*item.expr {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) => number.base10_parse().ok(),
            _ => None,
        },
        Expr::Path(path) => path
            .path
            .segments
            .last()
            .and_then(|it| (it.ident == "MAX").then(|| i128::from(u64::MAX))),
        _ => None,
    };
    let value = value.ok_or_else(|| format!("{name}: is neither a number nor u64::MAX"))?;
    Ok(Constant { value, of, kind: c_type(&item.ty)?, docs: Docs::read(&lines), name })
}

/// `impl Handle for T { type Held = H; }` as T and H.
fn holding(item: &ItemImpl) -> Option<(String, String)> {
    let (_, of, _) = item.trait_.as_ref()?;
    if !of.is_ident("Handle") {
        return None;
    }
    let held = item.items.iter().find_map(|it| match it {
        syn::ImplItem::Type(it) if it.ident == "Held" => name_of(&it.ty),
        _ => None,
    });
    Some((name_of(&item.self_ty)?, held?))
}

/// A type of callbacks; none for other types.
fn callback(item: &ItemType) -> Result<Option<Function>> {
    let Some(Type::BareFn(pointer)) = argument_of(&item.ty, "Option") else { return Ok(None) };
    let parameter = |input: &syn::BareFnArg| -> Result<Parameter> {
        let name = input.name.as_ref().map(|(name, _)| name.to_string());
        let name = name.ok_or_else(|| format!("{}: a parameter has no name", item.ident))?;
        Ok(Parameter { name: c_name(&name), kind: c_type(&input.ty)?, optional: false })
    };
    Ok(Some(Function {
        name: item.ident.to_string(),
        docs: Docs::read(&lines(&item.attrs)),
        parameters: pointer.inputs.iter().map(parameter).collect::<Result<_>>()?,
        returns: returned(&pointer.output)?,
    }))
}

fn function(item: &ItemFn) -> Result<Function> {
    let name = item.sig.ident.to_string();
    let optional = optional_arguments(&item.block.stmts);
    let parameter = |input: &FnArg| -> Result<Parameter> {
        let FnArg::Typed(input) = input else { return Err(format!("{name}: self").into()) };
        let Pat::Ident(pattern) = &*input.pat else {
            return Err(format!("{name}: pattern").into());
        };
        let inside = pattern.ident.to_string();
        let optional = optional.contains(&inside);
        Ok(Parameter { name: c_name(&inside), kind: c_type(&input.ty)?, optional })
    };
    Ok(Function {
        docs: Docs::read(&lines(&item.attrs)),
        parameters: item.sig.inputs.iter().map(parameter).collect::<Result<_>>()?,
        returns: returned(&item.sig.output)?,
        name,
    })
}

fn returned(output: &ReturnType) -> Result<String> {
    match output {
        ReturnType::Default => Ok("void".to_owned()),
        ReturnType::Type(_, kind) => c_type(kind),
    }
}

/// The arguments that an entry point lists as an `Option`, in `entry::status!` and `guard::value!`.
fn optional_arguments(statements: &[Stmt]) -> Vec<String> {
    let invoked = |statement: &Stmt| -> Option<Macro> {
        match statement {
            Stmt::Macro(it) => Some(it.mac.clone()),
            Stmt::Expr(Expr::Macro(it), _) => Some(it.mac.clone()),
            _ => None,
        }
    };
    let closure = |input: ParseStream<'_>| -> syn::Result<ExprClosure> {
        input.parse::<Expr>()?;
        input.parse::<Token![,]>()?;
        input.parse()
    };
    let listed = statements.iter().filter_map(invoked);
    let listed = listed.filter_map(|it| it.parse_body_with(closure).ok());
    let optional = |input: Pat| match input {
        Pat::Type(it) if argument_of(&it.ty, "Option").is_some() => match *it.pat {
            Pat::Ident(it) => Some(it.ident.to_string()),
            _ => None,
        },
        _ => None,
    };
    listed.flat_map(|it| it.inputs.into_iter().filter_map(optional)).collect()
}

/// `A` of `name<A>`.
fn argument_of<'a>(kind: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = kind else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(kind) if last.ident == name => Some(kind),
        _ => None,
    }
}

fn name_of(kind: &Type) -> Option<String> {
    let Type::Path(path) = kind else { return None };
    path.path.segments.last().map(|it| it.ident.to_string())
}

/// A name that is taken in Rust only has an underscore there.
fn c_name(name: &str) -> String {
    name.trim_end_matches('_').to_owned()
}

/// A type as C writes it.
fn c_type(kind: &Type) -> Result<String> {
    if let Type::Ptr(pointer) = kind {
        let inner = c_type(&pointer.elem)?;
        let space = if inner.ends_with('*') { "" } else { " " };
        return Ok(match (pointer.mutability.is_some(), inner.ends_with('*')) {
            (true, _) => format!("{inner}{space}*"),
            (false, true) => format!("{inner}const *"),
            (false, false) => format!("const {inner} *"),
        });
    }
    let name = name_of(kind).ok_or("a type that C does not know")?;
    Ok(match name.as_str() {
        "bool" => "bool",
        "c_char" => "char",
        "c_void" => "void",
        "f64" => "double",
        "i32" => "int32_t",
        "i64" => "int64_t",
        "isize" => "intptr_t",
        "u8" => "uint8_t",
        "u16" => "uint16_t",
        "u32" => "uint32_t",
        "u64" => "uint64_t",
        "usize" => "size_t",
        ours if ours.starts_with("ahoy_") => ours,
        other => return Err(format!("{other}: what is it in C?").into()),
    }
    .to_owned())
}
