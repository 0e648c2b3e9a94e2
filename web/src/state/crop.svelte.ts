// The square that is cut out of a picture.

export const MAX_ZOOM = 5;
// What is sent. The API makes smaller ones of it.
export const SIDE = 640; // pixels of the canvas
const QUALITY = 0.92;

export class Crop {
  // 1: as much of the picture as a square can have.
  zoom = $state(1);
  readonly #picture: ImageBitmap;
  // The centre of the square, in pixels of the picture.
  #x = $state(0);
  #y = $state(0);

  constructor(picture: ImageBitmap) {
    this.#picture = picture;
    this.#x = picture.width / 2;
    this.#y = picture.height / 2;
  }

  // Moves the picture behind the square, by parts of the square's side.
  move(right: number, down: number): void {
    this.#place(this.#x - right * this.#side, this.#y - down * this.#side);
  }

  zoomTo(zoom: number): void {
    this.zoom = between(1, zoom, MAX_ZOOM);
    this.#place(this.#x, this.#y);
  }

  draw(canvas: HTMLCanvasElement): void {
    const pixels = canvas.getContext("2d")!;
    const side = this.#side;
    // Behind what is transparent.
    pixels.fillStyle = "#fff";
    pixels.fillRect(0, 0, canvas.width, canvas.height);
    pixels.imageSmoothingQuality = "high";
    const from = [this.#x - side / 2, this.#y - side / 2, side, side] as const;
    pixels.drawImage(this.#picture, ...from, 0, 0, canvas.width, canvas.height);
  }

  // The square as a JPEG.
  async cut(): Promise<Blob> {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = SIDE;
    this.draw(canvas);
    return new Promise((done) => canvas.toBlob((blob) => done(blob!), "image/jpeg", QUALITY));
  }

  // Frees the memory of the picture.
  forget(): void {
    this.#picture.close();
  }

  get #side(): number {
    return Math.min(this.#picture.width, this.#picture.height) / this.zoom;
  }

  #place(x: number, y: number): void {
    const half = this.#side / 2;
    this.#x = between(half, x, this.#picture.width - half);
    this.#y = between(half, y, this.#picture.height - half);
  }
}

function between(least: number, value: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}
