//! The layers named in `src/lib.rs` are kept: no layer imports from one above
//! it, and no two files import each other, however many files lie between.
//!
//! Imports are read with `syn`: `use` declarations, and paths in the code that
//! begin with `crate`, `self`, `super` or an imported module. Re-exports are
//! followed to the file that defines the item. Tests are left out, and so are
//! the arguments of macros, which `syn` does not parse.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::Visit;
use syn::{Attribute, Item, ItemMod, UseTree};

/// A module of the crate, as its path from the root: `["http", "wire"]`.
type ModulePath = Vec<String>;

/// What the check reads of one module.
#[derive(Default)]
struct Module {
    file: String,
    children: BTreeSet<String>,
    items: BTreeSet<String>,
    /// Names brought in by `use`, with the path as it is written.
    imports: BTreeMap<String, Vec<String>>,
    /// Paths of `use …::*`.
    globs: Vec<Vec<String>>,
    /// Every path in the code that may lead to another module.
    paths: BTreeSet<Vec<String>>,
}

#[derive(Default)]
struct Crate {
    modules: BTreeMap<ModulePath, Module>,
}

/// An import of one file by another, and the path that shows it.
type Edges = BTreeMap<(String, String), String>;

fn is_test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| {
                let condition = list.tokens.to_string();
                condition == "test" || condition.starts_with("all (test")
            })
    })
}

fn flatten(
    tree: &UseTree,
    prefix: &mut Vec<String>,
    found: &mut Vec<(Option<String>, Vec<String>)>,
) {
    match tree {
        UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            flatten(&path.tree, prefix, found);
            prefix.pop();
        }
        UseTree::Name(name) => {
            let mut path = prefix.clone();
            if name.ident != "self" {
                path.push(name.ident.to_string());
            }
            found.push((path.last().cloned(), path));
        }
        UseTree::Rename(rename) => {
            let mut path = prefix.clone();
            path.push(rename.ident.to_string());
            found.push((Some(rename.rename.to_string()), path));
        }
        UseTree::Glob(_) => found.push((None, prefix.clone())),
        UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, prefix, found);
            }
        }
    }
}

impl Module {
    fn add(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Use(item) if !is_test_only(&item.attrs) => {
                    let mut found = Vec::new();
                    flatten(&item.tree, &mut Vec::new(), &mut found);
                    for (name, path) in found {
                        match name {
                            Some(name) => drop(self.imports.insert(name, path)),
                            None => self.globs.push(path),
                        }
                    }
                }
                Item::Struct(item) => drop(self.items.insert(item.ident.to_string())),
                Item::Enum(item) => drop(self.items.insert(item.ident.to_string())),
                Item::Fn(item) => drop(self.items.insert(item.sig.ident.to_string())),
                Item::Trait(item) => drop(self.items.insert(item.ident.to_string())),
                Item::Type(item) => drop(self.items.insert(item.ident.to_string())),
                Item::Const(item) => drop(self.items.insert(item.ident.to_string())),
                Item::Static(item) => drop(self.items.insert(item.ident.to_string())),
                _ => {}
            }
        }
        let mut visitor = Paths(&mut self.paths);
        for item in items {
            visitor.visit_item(item);
        }
    }
}

/// Collects paths of two segments and more.
struct Paths<'a>(&'a mut BTreeSet<Vec<String>>);

impl Visit<'_> for Paths<'_> {
    fn visit_path(&mut self, path: &syn::Path) {
        if path.leading_colon.is_none() && path.segments.len() > 1 {
            let segments = path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string());
            self.0.insert(segments.collect());
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_item_mod(&mut self, module: &ItemMod) {
        // Inline modules are read as modules of their own.
        let _ = module;
    }

    fn visit_visibility(&mut self, _: &syn::Visibility) {
        // `pub(in crate::…)` is no import.
    }

    fn visit_item_fn(&mut self, function: &syn::ItemFn) {
        if !is_test_only(&function.attrs) {
            syn::visit::visit_item_fn(self, function);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &syn::ImplItemFn) {
        if !is_test_only(&function.attrs) {
            syn::visit::visit_impl_item_fn(self, function);
        }
    }
}

impl Crate {
    /// Reads the crate whose files `read` gives, from its root on.
    fn parse(read: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut this = Self::default();
        let text = read("lib.rs").expect("there is a root");
        let items = syn::parse_file(&text).expect("the crate compiles").items;
        this.module(read, Vec::new(), "lib.rs", &items);
        this
    }

    fn module(
        &mut self,
        read: &dyn Fn(&str) -> Option<String>,
        path: ModulePath,
        file: &str,
        items: &[Item],
    ) {
        let mut module = Module {
            file: file.to_owned(),
            ..Module::default()
        };
        module.add(items);
        for item in items {
            let Item::Mod(child) = item else { continue };
            if is_test_only(&child.attrs) {
                continue;
            }
            module.children.insert(child.ident.to_string());
            let mut at = path.clone();
            at.push(child.ident.to_string());
            match &child.content {
                Some((_, items)) => self.module(read, at, file, items),
                None => {
                    let names = [
                        format!("{}.rs", at.join("/")),
                        format!("{}/mod.rs", at.join("/")),
                    ];
                    let (file, text) = names
                        .iter()
                        .find_map(|name| Some((name, read(name)?)))
                        .expect("a declared module has a file");
                    let items = syn::parse_file(&text).expect("the crate compiles").items;
                    self.module(read, at, file, &items);
                }
            }
        }
        self.modules.insert(path, module);
    }

    /// The file that defines what `path`, written in `module`, leads to; `None`
    /// if that is no part of this crate.
    fn resolve(&self, module: &[String], path: &[String], depth: usize) -> Option<String> {
        assert!(
            depth < 32,
            "imports of {path:?} in {module:?} lead in a circle"
        );
        let (first, rest) = path.split_first()?;
        let (mut at, rest) = match first.as_str() {
            "crate" => (Vec::new(), rest),
            "self" => (module.to_vec(), rest),
            "super" => {
                let mut path = path;
                let mut at = module.to_vec();
                while path.first().is_some_and(|segment| segment == "super") {
                    at.pop();
                    path = &path[1..];
                }
                (at, path)
            }
            name => {
                let here = &self.modules[module];
                if here.children.contains(name) {
                    (module.to_vec(), path)
                } else if let Some(import) = here.imports.get(name) {
                    if import.first() == Some(first) && !here.children.contains(name) {
                        return None; // an external crate imported under its own name
                    }
                    let whole: Vec<String> = import.iter().chain(rest).cloned().collect();
                    return self.resolve(module, &whole, depth + 1);
                } else {
                    return None;
                }
            }
        };
        for (index, segment) in rest.iter().enumerate() {
            let here = self.modules.get(&at)?;
            if here.children.contains(segment) {
                at.push(segment.clone());
                continue;
            }
            if here.items.contains(segment) {
                break;
            }
            if let Some(import) = here.imports.get(segment) {
                let whole: Vec<String> = import.iter().chain(&rest[index + 1..]).cloned().collect();
                return self.resolve(&at, &whole, depth + 1);
            }
            for glob in &here.globs {
                let mut whole = glob.clone();
                whole.extend_from_slice(&rest[index..]);
                if let Some(found) = self.resolve(&at, &whole, depth + 1) {
                    return Some(found);
                }
            }
            break;
        }
        Some(self.modules.get(&at)?.file.clone())
    }

    fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for (path, module) in &self.modules {
            let used = module
                .imports
                .values()
                .chain(&module.globs)
                .chain(&module.paths);
            for used in used {
                if let Some(target) = self.resolve(path, used, 0)
                    && target != module.file
                {
                    let edge = (module.file.clone(), target);
                    edges.entry(edge).or_insert_with(|| used.join("::"));
                }
            }
        }
        // The root names every layer and re-exports from it.
        edges.retain(|(from, to), _| from != "lib.rs" && to != "lib.rs");
        edges
    }

    /// The layers, uppermost first: the table in the root's documentation.
    fn layers(root: &str) -> Vec<String> {
        let rows = root.lines().filter_map(|line| line.strip_prefix("//! | `"));
        rows.filter_map(|row| Some(row.split_once('`')?.0.to_owned()))
            .collect()
    }
}

fn layer(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap_or(file)
}

/// What breaks the rules, a line each.
fn violations(read: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let layers = Crate::layers(&read("lib.rs").expect("there is a root"));
    let parsed = Crate::parse(read);
    let mut violations = Vec::new();
    for child in &parsed.modules[&Vec::new()].children {
        if child != "internals" && !layers.contains(child) {
            violations.push(format!("{child} is no layer in the table of lib.rs"));
        }
    }
    let edges = parsed.edges();
    let height = |file: &str| layers.iter().position(|name| name == layer(file));
    for ((from, to), shown) in &edges {
        if height(to) < height(from) {
            violations.push(format!("{from} imports {shown} from the upper layer {to}"));
        }
    }
    for circle in circles(&edges) {
        let members: BTreeSet<_> = circle.iter().collect();
        let shown = edges
            .iter()
            .filter(|((from, to), _)| members.contains(from) && members.contains(to))
            .map(|((from, to), shown)| format!("\n  {from} -> {to}: {shown}"));
        violations.push(format!(
            "a circle of {} files:{}",
            circle.len(),
            shown.collect::<String>()
        ));
    }
    violations
}

/// Groups of files that reach each other.
fn circles(edges: &Edges) -> Vec<Vec<String>> {
    let reachable = |from: &String| {
        let mut seen = BTreeSet::new();
        let mut open = vec![from.clone()];
        while let Some(file) = open.pop() {
            for (_, to) in edges.keys().filter(|(from, _)| *from == file) {
                if seen.insert(to.clone()) {
                    open.push(to.clone());
                }
            }
        }
        seen
    };
    let files: BTreeSet<&String> = edges.keys().map(|(from, _)| from).collect();
    let reach: BTreeMap<&String, BTreeSet<String>> =
        files.iter().map(|file| (*file, reachable(file))).collect();
    let mut found: BTreeSet<Vec<String>> = BTreeSet::new();
    for (file, reached) in &reach {
        let circle = reached
            .iter()
            .filter(|other| reach.get(other).is_some_and(|back| back.contains(*file)));
        let circle: Vec<String> = circle.cloned().collect();
        if circle.len() > 1 {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}

#[test]
fn no_arrow_back_up_and_no_circle() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |name: &str| {
        let path: PathBuf = src.join(name);
        fs::read_to_string(path).ok()
    };
    let violations = violations(&read);
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// A crate of two layers, with `upper` and `lower` as its files' texts.
fn of_two(files: &[(&str, &str)]) -> Vec<String> {
    let root = "//! | `upper` | |\n//! | `lower` | |\nmod upper;\nmod lower;\n";
    violations(&|name| {
        let own = files.iter().find(|(file, _)| *file == name);
        match name {
            "lib.rs" => Some(root.to_owned()),
            _ => own.map(|(_, text)| (*text).to_owned()),
        }
    })
}

#[test]
fn what_breaks_the_rules_is_found() {
    let upper = ("upper.rs", "use crate::lower::Low;\npub struct Up(Low);");
    let lower = ("lower.rs", "pub struct Low;");
    assert_eq!(of_two(&[upper, lower]), [""; 0]);
    for text in [
        "use crate::upper::Up;\npub struct Low;",
        "use super::upper;\npub struct Low(upper::Up);",
        "pub struct Low;\nfn f() { let _: Option<crate::upper::Up> = None; }",
    ] {
        let found = of_two(&[upper, ("lower.rs", text)]);
        assert!(
            found.iter().any(|line| line.contains("upper layer")),
            "{text}: {found:?}"
        );
        assert!(
            found.iter().any(|line| line.contains("circle of 2")),
            "{text}: {found:?}"
        );
    }
    let tests_may = "pub struct Low;\n#[cfg(test)]\nmod tests { use crate::upper::Up; }";
    assert_eq!(of_two(&[upper, ("lower.rs", tests_may)]), [""; 0]);
}

#[test]
fn a_circle_behind_a_re_export_is_found() {
    let upper = ("upper.rs", "");
    let files = [
        (
            "lower/mod.rs",
            "mod a;\nmod b;\npub use self::a::A;\npub use self::b::B;",
        ),
        ("lower/a.rs", "use crate::lower::B;\npub struct A(B);"),
        ("lower/b.rs", "use super::A;\npub struct B(Box<A>);"),
    ];
    let found = of_two(&[upper, files[0], files[1], files[2]]);
    assert!(
        found.len() == 1 && found[0].contains("circle of 2"),
        "{found:?}"
    );
    let parent = [
        ("lower/mod.rs", "mod a;\npub struct Parent(a::A);"),
        (
            "lower/a.rs",
            "use super::Parent;\npub struct A;\nimpl A { fn f(_: Parent) {} }",
        ),
    ];
    let found = of_two(&[upper, parent[0], parent[1]]);
    assert!(
        found.len() == 1 && found[0].contains("circle of 2"),
        "{found:?}"
    );
}
