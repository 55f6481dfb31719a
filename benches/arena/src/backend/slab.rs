//! Places that are used again, so that an index fits into a timer or a token.

/// Places that are used again.
#[derive(Debug)]
pub(super) struct Slab<T> {
    pub(super) places: Vec<Option<T>>,
    free: Vec<usize>,
    pub(super) count: usize,
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new(), count: 0 }
    }

    pub(super) fn insert(&mut self, item: T) -> usize {
        self.count += 1;
        match self.free.pop() {
            Some(index) => {
                self.places[index] = Some(item);
                index
            }
            None => {
                self.places.push(Some(item));
                self.places.len() - 1
            }
        }
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.places.get_mut(index)?.as_mut()
    }

    pub(super) fn remove(&mut self, index: usize) -> Option<T> {
        let item = self.places.get_mut(index)?.take()?;
        self.count -= 1;
        self.free.push(index);
        Some(item)
    }
}
